/// The name or the address of a host, and how far away that is.
package struct HostName: Hashable, Sendable {
    private let text: String

    /// Takes the name out of what stands in a URL, where a port may follow it.
    package init(_ place: some StringProtocol) {
        let place = place.lowercased()
        if place.hasPrefix("[") {
            text = String(place.dropFirst().prefix { $0 != "]" })
        } else {
            text = String(place.prefix { $0 != ":" })
        }
    }

    /// Whether what is sent there never leaves this machine.
    package var isLoopback: Bool { text == "localhost" || text == "::1" || numbers?.first == 127 }

    /// Whether it is this machine, or a neighbour that each machine has for itself, as the one that gives credentials.
    ///
    /// A proxy must not see what is sent there, and could not reach it.
    package var isNear: Bool {
        isLoopback || text.hasSuffix(".localhost") || numbers?.starts(with: [169, 254]) == true
            || text.hasPrefix("fe80:") || text.hasPrefix("fd00:ec2:")
    }

    /// The four numbers of an address; `nil` if it is a name.
    private var numbers: [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { UInt8($0) }
        return parts.count == 4 && numbers.count == 4 ? numbers : nil
    }
}
