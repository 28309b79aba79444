import Glibc

/// What libFuzzer calls with each input that it makes up; the variable `OBJFS_FUZZ` says which target gets it.
@_cdecl("LLVMFuzzerTestOneInput")
package func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    target(FuzzInput(Array(UnsafeBufferPointer(start: data, count: count))))
    return 0
}

private let target: @Sendable (FuzzInput) -> Void = {
    let name = getenv("OBJFS_FUZZ").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget.named(name) else {
        print("OBJFS_FUZZ must name a target:", FuzzTarget.names.joined(separator: " "))
        fflush(nil)
        _exit(2)
    }
    return target
}()

/// Bytes that decide what is tried.
struct FuzzInput {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// The next byte; 0 when there is none.
    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    /// A number below a bound, from the next four bytes.
    mutating func number(below bound: Int) -> Int {
        let value = (0..<4).reduce(0) { sum, _ in sum << 8 | Int(byte()) }
        return bound > 0 ? value % bound : 0
    }

    /// Any number of 64 bits, small ones as often as large ones.
    mutating func wide() -> Int64 {
        let count = Int(byte() & 15)
        return (0..<min(count, 8)).reduce(0) { sum, _ in sum << 8 | Int64(byte()) }
    }

    /// All bytes that are left.
    mutating func bytes() -> [UInt8] {
        defer { rest = [] }
        return Array(rest)
    }
}
