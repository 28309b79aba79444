import Glibc
import ObjfsRunner
import ObjfsTesting
import Storage
import Testing

/// The page that `objfs jobs report` writes.
@Suite struct ReportTests {
    private static func record(_ task: Int, _ outcome: TaskRecord.Outcome = .succeeded) -> TaskRecord {
        var record = TaskRecord(task: task, outcome: outcome)
        record.begin = Timestamp(nanoseconds: 1_700_000_000_000_000_000 + Int64(task / 8) * 100_000_000)
        record.time = .milliseconds(60 + task % 40)
        record.worker = "node\(task % 8)/0"
        record.bytesIn = 1 << 20
        return record
    }

    private static func page(_ records: [TaskRecord], command: String = "true") -> String {
        let head = JobPlan.Head(
            id: "job", folder: "/", arguments: ["--command-word=\(command)"], Plan([]))
        let end = JobEnd(status: 1, tasks: records.count)
        return JobReport(head, .ended(end), records) { "s3://b/\($0)<script>" }.html
    }

    @Test func `R9: what tasks and objects are called and wrote is text in the report, and no part of the page`() {
        var failed = Self.record(3, .failed("exit status 1 & <more>"))
        failed.errors = "<script>alert('x')</script>\u{1B}[31m"
        let page = Self.page([Self.record(1), failed], command: "<img src=x>")
        #expect(!page.contains("<script") && !page.contains("<img") && !page.contains("\u{1B}"))
        #expect(page.contains("exit status 1 &amp; &lt;more&gt;"))
        #expect(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"))
    }

    @Test func `R9: a report of 100,000 tasks is a page of ordinary size, and one of none is a page too`() {
        let page = Self.page((0..<100_000).map { Self.record($0, $0 % 500 == 0 ? .failed("no") : .succeeded) })
        #expect(page.utf8.count < 2 << 20)
        #expect(page.contains("99800 of"))
        #expect(Self.page([]).contains("No task has ended."))
    }

    @Test func `R9: a browser shows the report in light and in dark`() throws {
        let folder = TemporaryFolder()
        folder.write(
            "r.html",
            Array(Self.page((0..<100_000).map { Self.record($0, $0 % 9000 == 7 ? .failed("no") : .succeeded) }).utf8))
        for (name, options) in [("light", []), ("dark", ["--blink-settings=preferredColorScheme=0"])] {
            let shown = try Program.run(
                [
                    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                    "--user-data-dir=\(folder.path)/\(name)", "--window-size=1100,1600",
                ] + options + ["--screenshot=\(folder.path)/\(name).png", "file://\(folder.path)/r.html"],
                environment: ["HOME": folder.path], seconds: 120)
            #expect(shown.isSuccess, "\(shown.standardError)")
            let picture = folder.read("\(name).png")
            // An empty page of this size is a picture of a few kilobytes.
            #expect(picture.starts(with: [0x89, 0x50, 0x4E, 0x47]) && picture.count > 30_000)
        }
        let isSame = folder.read("light.png") == folder.read("dark.png")
        #expect(!isSame)
    }
}
