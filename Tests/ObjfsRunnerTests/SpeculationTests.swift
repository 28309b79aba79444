import Bytes
import Glibc
import ObjfsRunner
import ObjfsTesting
import Processes
import Storage
import Testing

/// The runner by itself, where its options go further than the command line.
@Suite struct SpeculationTests {
    @Test func `R6: a task that takes too long is run a second time, and the first that ends counts, once`() throws {
        let folder = TemporaryFolder()
        let store = InMemoryStore(name: "memory")
        let object = try store.write("data", (0..<8).map { UInt8($0 + 0x61) })
        let tasks = (0..<8).map { number in
            let piece = Piece(store: store, object: object, range: Int64(number)..<Int64(number + 1))
            return RunTask(number: number, name: "data", chunk: Int64(number), chunks: 8, pieces: [piece])
        }
        var options = RunOptions()
        options.parallelism = 2
        options.speculates = true
        options.shortestLate = .milliseconds(50)
        let script = "[ $OBJFS_TASK$OBJFS_ATTEMPT != 31 ] || sleep 1000; cat"
        let output = open(folder.path + "/output", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(output) }
        let records = try Runner(
            Plan(tasks), CommandTemplate(["sh", "-c", script]), options: options, folder: JobFolder("job", in: store),
            sink: OutputSink(descriptor: output)
        ).run()
        #expect(records.map(\.task) == Array(0..<8))
        #expect(records[3].isSpeculative)
        #expect(!records.contains { $0.outcome.isFailure })
        #expect(folder.read("output") == Array("abcdefgh".utf8))
    }

    @Test func `a record comes back as it was, and a part of one is none`() throws {
        let store = InMemoryStore(name: "memory")
        let job = JobFolder("job", in: store)
        var record = TaskRecord(task: 1_234_567, outcome: .failed("so \"it\" is\n"))
        record.inline = [0, 10, 255]
        record.parts = ["outputs/x", "outputs/y"]
        record.how = .killed(signal: 9)
        record.time = .microseconds(1_234_567)
        #expect(try job.commit(record))
        #expect(try !job.commit(TaskRecord(task: 1_234_567, outcome: .succeeded)))
        let back = try #require(try job.record(1_234_567))
        #expect(back.outcome == record.outcome && back.inline == record.inline && back.parts == record.parts)
        #expect(back.how == record.how && back.time == record.time)
        let bytes: [UInt8] = try store.read(job.key("records/0001234/567"))
        for count in 0..<bytes.count { #expect(TaskRecord(Array(bytes.prefix(count))) == nil) }
    }
}
