import Glibc

/// The environment of this process.
package enum Environment {
    /// `NAME=VALUE` of each variable.
    package static var all: [String] {
        var list: [String] = []
        var pointer = environ
        while let entry = pointer.pointee {
            list.append(String(cString: entry))
            pointer += 1
        }
        return list
    }

    /// The value of a variable; `nil` if there is none, or if it is empty.
    package static func value(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
