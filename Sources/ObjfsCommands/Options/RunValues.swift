import ArgumentParser
import Bytes
import Glibc
import ObjfsRunner

/// A time as people write it: a number, and `s`, `m`, `h` or `d`; or a percentage of the median.
struct TimeArgument: ExpressibleByArgument {
    let limit: TimeLimit

    init?(argument: String) {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        let unit = argument.last.flatMap { units[$0] }
        let isShare = argument.last == "%"
        let digits = unit == nil && !isShare ? argument : String(argument.dropLast())
        guard let number = Double(digits), number > 0, number < 1e8 else { return nil }
        limit = isShare ? .median(number / 100) : .time(.milliseconds(Int64(number * (unit ?? 1) * 1000)))
    }
}

/// A number of tasks, or a percentage of them.
struct FailureArgument: ExpressibleByArgument {
    let limit: FailureLimit

    init?(argument: String) {
        if argument.last == "%" {
            guard let percent = Double(argument.dropLast()), 0...100 ~= percent else { return nil }
            limit = .share(percent / 100)
        } else {
            guard let count = Int(argument), count >= 0 else { return nil }
            limit = .count(count)
        }
    }
}

/// A percentage, as a part of 1.
struct ShareArgument: ExpressibleByArgument {
    let share: Double

    init?(argument: String) {
        guard let percent = Double(argument.hasSuffix("%") ? String(argument.dropLast()) : argument),
            0...100 ~= percent
        else { return nil }
        share = percent / 100
    }
}

/// A load as `uptime` tells it, or a percentage of the processors.
struct LoadArgument: ExpressibleByArgument {
    let load: Double

    init?(argument: String) {
        let isShare = argument.last == "%"
        guard let number = Double(isShare ? String(argument.dropLast()) : argument), number > 0, number < 1e6 else {
            return nil
        }
        load = isShare ? number / 100 * Double(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)) : number
    }
}

/// A size of memory, as people write it.
struct MemorySize: ExpressibleByArgument {
    let bytes: Int64

    init?(argument: String) {
        guard let size = ByteCount(argument), size.bytes > 0 else { return nil }
        bytes = size.bytes
    }
}

/// Exit statuses, separated by commas.
struct StatusList: ExpressibleByArgument {
    let statuses: Set<Int32>

    init?(argument: String) {
        let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int32($0) }
        guard numbers.allSatisfy({ $0.map { 0...255 ~= $0 } ?? false }) else { return nil }
        statuses = Set(numbers.compactMap { $0 })
    }
}
