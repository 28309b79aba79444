import Storage

/// What a report shows of a job, in numbers: few, however many tasks there were.
struct ReportFigures {
    /// Some time of a worker during which tasks ended in the same way, from the start of the job, in seconds.
    struct Span {
        var begin: Double
        var end: Double
    }

    /// What ran where.
    struct Lane {
        let worker: String
        var spans: [Kind: [Span]] = [:]
        var tasks = 0
        var failed = 0
        var seconds = 0.0
        var bytes: Int64 = 0
    }

    /// How tasks are told apart by colour.
    enum Kind: String, CaseIterable {
        case ok, speculative, failed

        init(_ record: TaskRecord) {
            self = record.outcome.isFailure ? .failed : record.isSpeculative ? .speculative : .ok
        }
    }

    /// From the first start to the last end, in seconds.
    let length: Double
    private(set) var lanes: [Lane] = []
    /// How many tasks ran at a time, at the end of each of so many equal parts of the time.
    private(set) var running: [Double]
    /// How many bytes tasks got in a second, in each part.
    private(set) var rates: [Double]
    /// How many tasks took how long; the end of each class is ``histogramStep`` times its beginning.
    private(set) var histogram: [Int]
    let shortest: Double

    static let parts = 240
    static let histogramStep = 1.5
    private static let classes = 28

    init(_ records: [TaskRecord]) {
        let start = records.map(\.begin).min() ?? Timestamp(nanoseconds: 0)
        func begin(_ record: TaskRecord) -> Double {
            Double(record.begin.nanoseconds &- start.nanoseconds) / 1e9
        }
        let times = records.map(\.seconds)
        length = max(records.map { begin($0) + $0.seconds }.max() ?? 0, 0.001)
        shortest = max(times.min() ?? 0.001, 0.001)
        running = [Double](repeating: 0, count: Self.parts)
        rates = running
        histogram = [Int](repeating: 0, count: Self.classes)
        for time in times { histogram[Self.histogramClass(time, shortest)] += 1 }
        while histogram.count > 1, histogram.last == 0 { histogram.removeLast() }
        var numbers: [String: Int] = [:]
        for record in records.sorted(by: { $0.begin < $1.begin }) {
            let number = numbers[record.worker] ?? lanes.count
            if number == lanes.count {
                numbers[record.worker] = number
                lanes.append(Lane(worker: record.worker))
            }
            let span = Span(begin: begin(record), end: begin(record) + record.seconds)
            add(record, span, to: number)
            spread(record, span)
        }
        lanes.sort { $0.worker < $1.worker }
    }

    private static func histogramClass(_ time: Double, _ shortest: Double) -> Int {
        var (number, end) = (0, shortest * histogramStep)
        while time >= end, number < classes - 1 { (number, end) = (number + 1, end * histogramStep) }
        return number
    }

    private mutating func add(_ record: TaskRecord, _ span: Span, to lane: Int) {
        lanes[lane].tasks += 1
        lanes[lane].failed += record.outcome.isFailure ? 1 : 0
        lanes[lane].seconds += record.seconds
        lanes[lane].bytes += record.bytesIn
        // What is nearer than a third of a pixel looks like one.
        let kind = Kind(record)
        let gap = length / 3000
        var spans = lanes[lane].spans.removeValue(forKey: kind) ?? []
        if let last = spans.last, span.begin - last.end < gap, span.end - last.begin < gap * 3 {
            spans[spans.count - 1].end = max(last.end, span.end)
        } else {
            spans.append(span)
        }
        lanes[lane].spans[kind] = spans
    }

    /// Adds a task to each part of the time that it ran in, by how much of the part it filled.
    private mutating func spread(_ record: TaskRecord, _ span: Span) {
        let part = length / Double(Self.parts)
        let first = min(max(Int(span.begin / part), 0), Self.parts - 1)
        let last = min(max(Int(span.end / part), first), Self.parts - 1)
        for number in first...last {
            let covered = min(span.end, Double(number + 1) * part) - max(span.begin, Double(number) * part)
            running[number] += max(covered, 0) / part
            if record.seconds > 0 { rates[number] += Double(record.bytesIn) * max(covered, 0) / record.seconds / part }
        }
        if record.seconds == 0 { rates[first] += Double(record.bytesIn) / part }
    }
}

extension TaskRecord {
    /// How long it ran, in seconds.
    var seconds: Double { Double(time.wholeMicroseconds) / 1e6 }
}
