import Bytes
import Storage

/// A page about a job, whole in one file: it loads nothing, and runs no script.
package struct JobReport {
    private let head: JobPlan.Head
    private let state: JobState
    private let records: [TaskRecord]
    /// How people call a task.
    private let label: (Int) -> String
    private let figures: ReportFigures

    /// How many lanes, and how many rows of tables, a page has at most.
    private static let mostLanes = 200
    private static let mostSlow = 20
    private static let mostFailed = 200

    package init(
        _ head: JobPlan.Head, _ state: JobState, _ records: [TaskRecord], label: @escaping (Int) -> String
    ) {
        self.head = head
        self.state = state
        self.records = records
        self.label = label
        figures = ReportFigures(records)
    }

    /// The page.
    package var html: String {
        let title = "objfs job \(HTMLText.escaped(head.id))"
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <title>\(title)</title>
            <style>\(Self.style)</style>
            </head>
            <body>
            <main>
            <h1>\(title) <span class="state \(state.word)">\(state.word)</span></h1>
            <pre class="command">\(HTMLText.escaped(command))</pre>
            \(totals)
            \(records.isEmpty ? "<p>No task has ended.</p>" : charts)
            \(failures)
            \(slowest)
            \(workers)
            </main>
            </body>
            </html>

            """
    }

    private var command: String {
        "objfs run " + head.commandLine
    }

    // MARK: Totals

    private var totals: String {
        let failed = records.count { $0.outcome.isFailure }
        let times = records.map(\.seconds).sorted()
        let sum = times.reduce(0, +)
        let processor = records.reduce(0.0) { $0 + Double($1.processorTime.wholeMicroseconds) / 1e6 }
        let bytesIn = records.reduce(Int64(0)) { $0 &+ $1.bytesIn }
        let bytesOut = records.reduce(Int64(0)) { $0 &+ $1.bytesOut }
        let facts: [(String, String)] = [
            ("tasks done", "\(records.count - failed) of \(head.tasks)"), ("failed", "\(failed)"),
            ("tried again", "\(records.count { $0.attempts > 1 && !$0.isSpeculative })"),
            ("run twice for speed", "\(records.count { $0.isSpeculative })"),
            ("from first start to last end", HTMLText.time(records.isEmpty ? 0 : figures.length)),
            ("time of all tasks", HTMLText.time(sum)), ("processor time", HTMLText.time(processor)),
            ("largest memory of a task", memory),
            ("input", "\(ByteCount(bytesIn))"), ("requests for it", "\(records.reduce(0) { $0 &+ $1.requests })"),
            ("output", "\(ByteCount(bytesOut))"),
            ("half of the tasks took at most", HTMLText.time(Self.quantile(times, 0.5))),
            ("95 % of them", HTMLText.time(Self.quantile(times, 0.95))),
        ]
        let cells = facts.map { "<div><dt>\($0.0)</dt><dd>\($0.1)</dd></div>" }
        return "<dl>\(cells.joined())</dl>"
    }

    private var memory: String {
        let largest = records.map(\.peakMemory).max() ?? 0
        return largest > 0 ? "\(ByteCount(largest))" : "little"
    }

    private static func quantile(_ times: [Double], _ share: Double) -> Double {
        times.isEmpty ? 0 : times[min(Int(Double(times.count) * share), times.count - 1)]
    }

    // MARK: Charts

    private var charts: String {
        let length = figures.length
        let lanes = figures.lanes.prefix(Self.mostLanes)
        let laneHeight = min(max(400 / Double(max(lanes.count, 1)), 4), 18)
        var timeline = ReportChart(height: Double(lanes.count) * laneHeight + 38)
        timeline.timeAxis(length)
        timeline.lanes(lanes, length: length, laneHeight: laneHeight)
        var running = ReportChart(height: 140)
        let most = max(figures.running.max() ?? 0, 1)
        running.timeAxis(length)
        running.valueAxis(most) { ReportChart.short(($0 * 10).rounded() / 10) }
        running.steps(figures.running, largest: most)
        var rates = ReportChart(height: 140)
        let fastest = figures.rates.max() ?? 0
        rates.timeAxis(length)
        rates.valueAxis(fastest) { "\(ByteCount(Int64($0.rounded())))" }
        rates.steps(figures.rates, largest: fastest)
        var histogram = ReportChart(height: 160)
        let tallest = figures.histogram.max() ?? 0
        histogram.valueAxis(Double(tallest)) { ReportChart.short($0.rounded()) }
        histogram.bars(figures.histogram, largest: tallest) { number in
            HTMLText.time((0..<number).reduce(figures.shortest) { time, _ in time * ReportFigures.histogramStep })
        }
        let more = figures.lanes.count - lanes.count
        return section(
            "Timeline by worker",
            "<p class=\"key\"><span class=\"ok\">done</span> <span class=\"failed\">failed</span> "
                + "<span class=\"speculative\">run twice for speed</span>"
                + (more > 0 ? ", and \(more) more workers" : "") + "</p>"
                + timeline.element("When each worker ran tasks"))
            + section("Running tasks", running.element("How many tasks ran at a time"))
            + section("Input per second", rates.element("How many bytes tasks got in a second"))
            + section("How long tasks took", histogram.element("How many tasks took how long"))
    }

    private func section(_ title: String, _ content: String) -> String {
        "<section><h2>\(title)</h2>\n\(content)</section>\n"
    }

    // MARK: Tables

    private var failures: String {
        let failed = records.filter(\.outcome.isFailure)
        guard !failed.isEmpty else { return "" }
        let rows = failed.prefix(Self.mostFailed).map { record in
            guard case .failed(let reason) = record.outcome else { return "" }
            let errors = record.errors.isEmpty ? "" : "<pre>\(HTMLText.escaped(record.errors))</pre>"
            return row(record, "<strong>\(HTMLText.escaped(reason))</strong>\(errors)")
        }
        let more = failed.count - rows.count
        return section(
            "Failed tasks",
            table(rows, "reason, and the last of standard error") + (more > 0 ? "<p>and \(more) more</p>" : ""))
    }

    private var slowest: String {
        guard !records.isEmpty else { return "" }
        let slow = records.sorted { $0.time > $1.time }.prefix(Self.mostSlow)
        return section("Slowest tasks", table(slow.map { row($0, "\(ByteCount($0.bytesIn))") }, "input"))
    }

    private func row(_ record: TaskRecord, _ last: String) -> String {
        "<tr><td class=\"number\">\(record.task)</td><td>\(HTMLText.escaped(label(record.task)))</td>"
            + "<td class=\"number\">\(HTMLText.time(record.seconds))</td><td>\(HTMLText.escaped(record.worker))</td>"
            + "<td>\(last)</td></tr>\n"
    }

    private func table(_ rows: [String], _ last: String) -> String {
        "<div class=\"wide\"><table><thead><tr><th>task</th><th>object</th><th>time</th><th>worker</th>"
            + "<th>\(last)</th></tr></thead><tbody>\n\(rows.joined())</tbody></table></div>\n"
    }

    private var workers: String {
        guard !records.isEmpty else { return "" }
        let rows = figures.lanes.prefix(Self.mostLanes).enumerated().map { number, lane in
            "<tr><td class=\"number\">\(number + 1)</td><td>\(HTMLText.escaped(lane.worker))</td>"
                + "<td class=\"number\">\(lane.tasks)</td><td class=\"number\">\(lane.failed)</td>"
                + "<td class=\"number\">\(HTMLText.time(lane.seconds))</td>"
                + "<td class=\"number\">\(ByteCount(lane.bytes))</td></tr>\n"
        }
        return section(
            "Workers",
            "<div class=\"wide\"><table><thead><tr><th>lane</th><th>worker</th><th>tasks</th><th>failed</th>"
                + "<th>time</th><th>input</th></tr></thead><tbody>\n\(rows.joined())</tbody></table></div>\n")
    }

    // MARK: How it looks

    private static let style = """
        :root { color-scheme: light dark; --back: #fbfbfa; --card: #fff; --text: #1d2733; --dim: #5d6975;
            --line: #dfe3e6; --ok: #2f74b5; --failed: #c8322b; --speculative: #b07a00; --good: #23783f; }
        @media (prefers-color-scheme: dark) { :root { --back: #14181d; --card: #1c2229; --text: #e3e8ed;
            --dim: #9aa6b2; --line: #303943; --ok: #62a8e6; --failed: #ff7068; --speculative: #e5b34a;
            --good: #6ccb8c; } }
        body { margin: 0; background: var(--back); color: var(--text);
            font: 15px/1.45 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
        main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 60px; }
        h1 { font-size: 22px; margin: 0 0 12px; } h2 { font-size: 16px; margin: 0 0 10px; }
        .state { font-size: 14px; font-weight: 600; padding: 2px 10px; margin-left: 8px; border: 1px solid;
            border-radius: 12px; vertical-align: 3px; color: var(--speculative); }
        .state.done { color: var(--good); } .state.failed { color: var(--failed); }
        section, dl, .command { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
            padding: 14px 16px; margin: 0 0 16px; }
        pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 4px 0 0; font-size: 13px; }
        dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 12px 18px; }
        dt { color: var(--dim); font-size: 13px; } dd { margin: 0; font-size: 18px; font-weight: 600; }
        svg { display: block; width: 100%; height: auto; } svg text { font-size: 12px; fill: var(--dim); }
        .middle { text-anchor: middle; } .end { text-anchor: end; dominant-baseline: middle; }
        .grid { stroke: var(--line); fill: none; } .bar { fill: none; } .area { fill: var(--ok); }
        .bar.ok { stroke: var(--ok); } .bar.failed { stroke: var(--failed); }
        .bar.speculative { stroke: var(--speculative); }
        .key { margin: 0 0 6px; color: var(--dim); font-size: 13px; }
        .key span::before { content: ""; display: inline-block; width: 11px; height: 11px; margin: 0 5px 0 8px;
            border-radius: 2px; background: currentColor; }
        .key .ok { color: var(--ok); } .key .failed { color: var(--failed); }
        .key .speculative { color: var(--speculative); }
        .wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 14px; }
        th { text-align: left; color: var(--dim); font-weight: 600; }
        th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
        td { overflow-wrap: anywhere; } .number { white-space: nowrap; font-variant-numeric: tabular-nums; }
        """
}
