import ObjfsTesting
import Records
import Testing

/// A format as one would read it from the start of an object: the model that borders are compared with.
private struct SequentialModel {
    /// Where each record begins, in order; empty for an object without bytes.
    static func beginnings(of bytes: [UInt8], separator: [UInt8]) -> [Int64] {
        var beginnings: [Int64] = bytes.isEmpty ? [] : [0]
        var position = 0
        while position + separator.count <= bytes.count {
            if Array(bytes[position..<position + separator.count]) == separator {
                position += separator.count
                if position < bytes.count { beginnings.append(Int64(position)) }
            } else {
                position += 1
            }
        }
        return beginnings
    }
}

@Suite struct RecordFormatTests {
    private static let separators: [[UInt8]] = [
        [0x0A], [0x0D, 0x0A], [0x00], [0x61, 0x61], [0x61, 0x62, 0x61], [0x61, 0x61, 0x61], [0x61, 0x62, 0x61, 0x62],
    ]

    private static func content(_ random: inout SeededGenerator) -> [UInt8] {
        let alphabets: [[UInt8]] = [
            [0x0A], [0x61], [0x61, 0x62], [0x0D, 0x0A], [0x0D, 0x0A, 0x61], [0x00, 0x61], [0x0A, 0x61, 0xC3, 0xA4],
            Array(0...255),
        ]
        let alphabet = alphabets.randomElement(using: &random) ?? [0x0A]
        let count = Int.random(in: 0...60, using: &random)
        return (0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0x0A }
    }

    @Test(arguments: separators, [1, SeededGenerator.freshSeed])
    func `C2, C3, C4: chunks in order are the object, and a record is where its first byte is`(
        separator: [UInt8], seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        let format = try #require(TerminatedRecords(separator: separator))
        for _ in 0..<400 {
            let bytes = Self.content(&random)
            let cut: ChunkCut =
                Bool.random(using: &random)
                ? .size(Int64.random(in: 1...20, using: &random)) : .count(Int64.random(in: 1...9, using: &random))
            let plan = ChunkPlan(size: Int64(bytes.count), cut: cut)
            let beginnings = SequentialModel.beginnings(of: bytes, separator: separator)
            for index in 0...plan.count {
                let nominal = plan.nominalOffset(index)
                let expected = beginnings.first { $0 >= nominal } ?? Int64(bytes.count)
                let border = bytes.withUnsafeBytes { format.border(at: nominal, in: $0) }
                #expect(border == expected, "seed \(seed), \(bytes), separator \(separator), cut \(nominal)")
            }
        }
    }

    @Test func `C4: a record longer than every window is found whole`() {
        var bytes = [UInt8](repeating: 0x78, count: 3_000_000)
        bytes[2_999_990] = 0x0A
        let border = bytes.withUnsafeBytes { TerminatedRecords.lines.border(at: 5, in: $0) }
        #expect(border == 2_999_991)
    }

    @Test(arguments: [Int64(1), 3, 7, 128])
    func `C2: a record of fixed size begins at a multiple of it`(size: Int64) {
        let bytes = [UInt8](repeating: 1, count: 1000)
        for cut in Int64(1)..<1000 {
            let border = bytes.withUnsafeBytes { FixedRecords(size: size).border(at: cut, in: $0) }
            #expect(border == min((cut + size - 1) / size * size, 1000))
        }
    }

    @Test func `fixed records of enormous size do not overflow`() {
        #expect(FixedRecords(size: .max).search(from: 5, size: 10).step == .found(10))
        #expect(FixedRecords(size: .max - 1).search(from: .max - 1, size: .max).step == .found(.max - 1))
    }
}
