import ObjfsTesting

/// Contents of which records, and those who cut them, are afraid.
enum RandomContent {
    static func make(_ generator: inout SeededGenerator) -> [UInt8] {
        switch Int.random(in: 0..<8, using: &generator) {
        case 0: return []
        case 1: return [UInt8.random(in: 0...255, using: &generator)]
        case 2: return [UInt8](repeating: 10, count: Int.random(in: 1...5000, using: &generator))
        case 3: return lines(longest: 40_000, &generator)
        case 4: return (0..<20_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
        case 5: return Array(String(repeating: "größe 日本語 🦊\n", count: 900).utf8)
        default: return lines(longest: 200, &generator)
        }
    }

    /// Lines that end with LF or CR LF, the last one perhaps with neither.
    private static func lines(longest: Int, _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < 100_000 {
            let count = Int.random(in: 0...longest, using: &generator)
            bytes += (0..<count).map { _ in UInt8.random(in: 32...126, using: &generator) }
            bytes += Bool.random(using: &generator) ? [13, 10] : [10]
        }
        if Bool.random(using: &generator) { bytes.removeLast() }
        return bytes
    }
}
