import Glibc
import Storage

/// Dates as HTTP, XML and signatures write them.
enum Dates {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// The moment now, for a signature: `20261124T081500Z`.
    static func signing(_ seconds: time_t = time(nil)) -> String {
        var seconds = seconds
        var fields = tm()
        gmtime_r(&seconds, &fields)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = "\(fields.tm_year + 1900)" + two(fields.tm_mon + 1) + two(fields.tm_mday)
        return day + "T" + two(fields.tm_hour) + two(fields.tm_min) + two(fields.tm_sec) + "Z"
    }

    /// Reads `Tue, 24 Nov 2026 08:15:00 GMT`, as HTTP writes it.
    ///
    /// See: RFC 9110, section 5.6.7.
    static func http(_ text: String) -> Timestamp? {
        let words = text.split(separator: " ")
        guard words.count >= 5, let day = Int(words[1]), let month = months.firstIndex(of: String(words[2])),
            let year = Int(words[3]), let seconds = clock(words[4])
        else { return nil }
        return timestamp(year, month + 1, day, seconds: seconds, nanoseconds: 0)
    }

    /// Reads `2026-11-24T08:15:00.123Z`, as XML and JSON write it.
    static func iso8601(_ text: String) -> Timestamp? {
        let parts = text.split(separator: "T")
        guard parts.count == 2, let zone = parts[1].last, zone == "Z" else { return nil }
        let date = parts[0].split(separator: "-").compactMap { Int($0) }
        let time = parts[1].dropLast().split(separator: ".")
        guard date.count == 3, let first = time.first, let seconds = clock(first) else { return nil }
        let fraction = time.count > 1 ? String(time[1].prefix(9)) : ""
        let digits = fraction + String(repeating: "0", count: 9 - fraction.count)
        return timestamp(date[0], date[1], date[2], seconds: seconds, nanoseconds: Int64(digits) ?? 0)
    }

    /// The seconds of a day in `08:15:00`.
    private static func clock(_ text: Substring) -> Int64? {
        let parts = text.split(separator: ":").compactMap { Int64($0) }
        guard parts.count == 3, 0..<24 ~= parts[0], 0..<60 ~= parts[1], 0...60 ~= parts[2] else { return nil }
        return parts[0] * 3600 + parts[1] * 60 + parts[2]
    }

    private static func timestamp(
        _ year: Int, _ month: Int, _ day: Int, seconds: Int64, nanoseconds: Int64
    ) -> Timestamp? {
        guard 1...9999 ~= year, 1...12 ~= month, 1...31 ~= day else { return nil }
        // Days since 1970-01-01, counting years from March, so that a leap day is the last day of one.
        let shifted = month > 2 ? year : year - 1
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        let moment = Timestamp(seconds: Int64(days) * 86_400 + seconds)
        let (sum, overflow) = moment.nanoseconds.addingReportingOverflow(nanoseconds)
        return overflow ? moment : Timestamp(nanoseconds: sum)
    }
}
