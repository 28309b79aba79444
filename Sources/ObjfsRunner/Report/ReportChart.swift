import Bytes

/// Charts of a report, as SVG whose colours the page decides.
struct ReportChart {
    private let width = 1000.0
    private let height: Double
    private let left = 70.0
    private let bottom = 22.0
    private var body = ""

    init(height: Double) { self.height = height }

    /// The chart as an element of HTML.
    func element(_ description: String) -> String {
        "<svg viewBox=\"0 0 \(Self.short(width)) \(Self.short(height))\" role=\"img\" "
            + "aria-label=\"\(HTMLText.escaped(description))\">\(body)</svg>\n"
    }

    /// A number with two digits behind the point, and no more than are needed.
    static func short(_ number: Double) -> String {
        let hundredths = Int64((number * 100).rounded())
        let (whole, rest) = (hundredths / 100, abs(hundredths % 100))
        let sign = hundredths < 0 && whole == 0 ? "-" : ""
        if rest == 0 { return sign + String(whole) }
        return sign + (rest % 10 == 0 ? "\(whole).\(rest / 10)" : "\(whole).\(rest < 10 ? "0" : "")\(rest)")
    }

    private func x(_ share: Double) -> Double { left + share * (width - left - 10) }

    // MARK: Axes

    /// Marks the time below the chart.
    mutating func timeAxis(_ length: Double) {
        for second in Self.ticks(length) {
            let x = Self.short(self.x(second / length))
            body += "<path class=\"grid\" d=\"M\(x) 4V\(Self.short(height - bottom))\"/>"
            body += "<text x=\"\(x)\" y=\"\(Self.short(height - 6))\" class=\"middle\">\(HTMLText.time(second))</text>"
        }
    }

    /// Marks the largest value and half of it beside the chart.
    mutating func valueAxis(_ largest: Double, _ words: (Double) -> String) {
        for share in [0, 0.5, 1] {
            let y = Self.short(self.y(share))
            body += "<path class=\"grid\" d=\"M\(Self.short(left)) \(y)H\(Self.short(width - 10))\"/>"
            body += "<text x=\"\(Self.short(left - 6))\" y=\"\(y)\" class=\"end\">\(words(largest * share))</text>"
        }
    }

    private func y(_ share: Double) -> Double { height - bottom - share * (height - bottom - 10) }

    /// Moments that are whole numbers of something, six to twelve of them.
    private static func ticks(_ length: Double) -> [Double] {
        let steps = [
            0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800,
            3600, 7200, 14_400, 28_800, 86_400, 172_800, 604_800,
        ]
        let step = steps.first { length / $0 <= 12 } ?? length / 10
        return Array(stride(from: 0, through: length, by: step))
    }

    // MARK: What they show

    /// A lane for each worker, a bar for each time that it ran something.
    mutating func lanes(_ lanes: ArraySlice<ReportFigures.Lane>, length: Double, laneHeight: Double) {
        for kind in ReportFigures.Kind.allCases {
            var path = ""
            for (number, lane) in lanes.enumerated() {
                let y = Self.short(8 + (Double(number) + 0.5) * laneHeight)
                for span in lane.spans[kind] ?? [] {
                    let (begin, end) = (x(span.begin / length), x(span.end / length))
                    path += "M\(Self.short(begin)) \(y)h\(Self.short(max(end - begin - 0.4, 0.5)))"
                }
            }
            guard !path.isEmpty else { continue }
            let stroke = Self.short(laneHeight * 0.72)
            body += "<path class=\"bar \(kind.rawValue)\" stroke-width=\"\(stroke)\" d=\"\(path)\"/>"
        }
        for (number, _) in lanes.enumerated() where lanes.count <= 40 || number % 10 == 0 {
            let y = Self.short(12 + (Double(number) + 0.5) * laneHeight)
            body += "<text x=\"\(Self.short(left - 6))\" y=\"\(y)\" class=\"end\">\(number + 1)</text>"
        }
    }

    /// An area under a line of steps.
    mutating func steps(_ values: [Double], largest: Double) {
        guard largest > 0, !values.isEmpty else { return }
        var path = "M\(Self.short(left)) \(Self.short(y(0)))"
        for (number, value) in values.enumerated() {
            path += "V\(Self.short(y(value / largest)))H\(Self.short(x(Double(number + 1) / Double(values.count))))"
        }
        body += "<path class=\"area\" d=\"\(path)V\(Self.short(y(0)))Z\"/>"
    }

    /// A bar for each class, and what some of them mean below.
    mutating func bars(_ counts: [Int], largest: Int, _ words: (Int) -> String) {
        guard largest > 0 else { return }
        let step = 1 / Double(max(counts.count, 12))
        for (number, count) in counts.enumerated() {
            let begin = x(Double(number) * step) + 1
            let end = x(Double(number + 1) * step) - 1
            let top = y(Double(count) / Double(largest))
            body +=
                "<rect class=\"area\" x=\"\(Self.short(begin))\" y=\"\(Self.short(top))\" "
                + "width=\"\(Self.short(end - begin))\" height=\"\(Self.short(y(0) - top))\">"
                + "<title>\(words(number)) to \(words(number + 1)): \(count)</title></rect>"
            guard number % 3 == 0 else { continue }
            body +=
                "<text x=\"\(Self.short(begin - 1))\" y=\"\(Self.short(height - 6))\" class=\"middle\">"
                + "\(words(number))</text>"
        }
    }
}

/// Texts in a page.
enum HTMLText {
    /// A text that is nothing but a text: no bytes of a bucket become a part of the page (X4).
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            case "\n", "\t": escaped.unicodeScalars.append(scalar)
            case _ where scalar.value < 0x20 || 0x7F..<0xA0 ~= scalar.value: escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// A time as people read it: `250 ms`, `2.5 s`, `3 min 20 s`, `1 h 5 min`.
    static func time(_ seconds: Double) -> String {
        switch seconds {
        case ..<0.0005: return "0"
        case ..<0.9995: return "\(ReportChart.short((seconds * 1000).rounded())) ms"
        case ..<59.95: return "\(ReportChart.short((seconds * 10).rounded() / 10)) s"
        case ..<3600:
            let whole = Int64(seconds.rounded())
            return whole % 60 == 0 ? "\(whole / 60) min" : "\(whole / 60) min \(whole % 60) s"
        default:
            let minutes = Int64((seconds / 60).rounded())
            return minutes % 60 == 0 ? "\(minutes / 60) h" : "\(minutes / 60) h \(minutes % 60) min"
        }
    }
}
