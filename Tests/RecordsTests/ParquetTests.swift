import Bytes
import ObjfsTesting
import Records
import Testing

@Suite struct ParquetTests {
    private static let seeds: [UInt64] = [1, SeededGenerator.freshSeed]

    private func footer(_ file: [UInt8]) throws(ParquetError) -> ParquetFooter {
        let range = try ParquetTail.footer(file, size: Int64(file.count))
        return try ParquetFooter(Array(file[Int(range.lowerBound)..<Int(range.upperBound)]), at: range.lowerBound)
    }

    private func bytes(_ content: ChunkContent, of file: [UInt8]) -> [UInt8] {
        content.segments.flatMap { segment in
            switch segment {
            case .literal(let bytes): bytes.array
            case .object(let range): Array(file[Int(range.lowerBound)..<Int(range.upperBound)])
            }
        }
    }

    private func tree(_ file: [UInt8]) throws -> ThriftTree {
        let range = try ParquetTail.footer(file, size: Int64(file.count))
        return ThriftTree(structure: file[Int(range.lowerBound)...])
    }

    /// The nominal cuts of a file and the files of its chunks.
    private func chunks(_ file: [UInt8], _ count: Int64) throws -> [[UInt8]] {
        let footer = try footer(file)
        let plan = ChunkPlan(size: Int64(file.count), cut: .count(count))
        let borders = (0...count).map { index in
            let cut = plan.nominalOffset(index)
            return cut == 0 ? 0 : footer.border(at: cut) ?? plan.size
        }
        return try zip(borders, borders.dropFirst()).map {
            bytes(try footer.content(of: $0..<max($0, $1)), of: file)
        }
    }

    @Test(arguments: [1, 2, 3, 7, 1000] as [Int64])
    func `C2, C11: each row group is in one chunk of a Parquet file, its columns as they are`(count: Int64) throws {
        let file = ParquetFixture.bytes
        let whole = try tree(file)
        let groups = whole[4]?.elements ?? []
        var found = 0
        for chunk in try chunks(file, count) {
            #expect(chunk.starts(with: "PAR1".utf8))
            let footer = try tree(chunk)
            #expect(footer.without([3, 4]) == whole.without([3, 4]))
            let own = footer[4]?.elements ?? []
            #expect(footer[3]?.number == own.reduce(0) { $0 + ($1[3]?.number ?? 0) })
            for (number, group) in own.enumerated() {
                try expectSame(group, in: chunk, groups[found], in: file, number)
                found += 1
            }
        }
        #expect(found == groups.count)
    }

    /// Expects that a row group of a chunk is one of the file, with places of its own.
    private func expectSame(
        _ group: ThriftTree, in chunk: [UInt8], _ original: ThriftTree, in file: [UInt8], _ number: Int
    ) throws {
        #expect(group.without([1, 5, 7]) == original.without([1, 5, 7]))
        #expect(group[7]?.number == Int64(number), "it is numbered anew")
        let columns = zip(group[1]?.elements ?? [], original[1]?.elements ?? [])
        #expect(group[1]?.elements.count == original[1]?.elements.count)
        for (index, (column, old)) in columns.enumerated() {
            #expect(column.without([3]) == old.without([3, 4, 5, 6, 7]), "and without the places of page indexes")
            let metadata = try #require(column[3])
            let before = try #require(old[3])
            #expect(metadata.without([9, 11, 14]) == before.without([9, 11, 14]))
            let count = try #require(metadata[7]?.number)
            func start(_ tree: ThriftTree) throws -> Int64 { try #require(tree[11]?.number ?? tree[9]?.number) }
            func pages(_ start: Int64, _ bytes: [UInt8], _ count: Int64) -> ArraySlice<UInt8> {
                bytes[Int(start)..<Int(start + count)]
            }
            #expect(pages(try start(metadata), chunk, count) == pages(try start(before), file, count))
            #expect(
                (metadata[9]?.number ?? 0) - (try start(metadata)) == (before[9]?.number ?? 0) - (try start(before)))
            if index == 0 { #expect(group[5]?.number == (try start(metadata))) }
            guard let filter = before[14]?.number, let length = before[15]?.number else { continue }
            #expect(pages(try #require(metadata[14]?.number), chunk, length) == pages(filter, file, length))
        }
    }

    @Test(arguments: [1, 2, 5] as [Int64])
    func `C3: the search of the format finds the borders that the footer tells`(step: Int64) throws {
        let file = ParquetFixture.bytes
        let footer = try footer(file)
        for cut in stride(from: 1, to: Int64(file.count), by: Int64.Stride(step)) {
            let border = file.withUnsafeBytes { RowGroupRecords().border(at: cut, in: $0) }
            #expect(border == footer.border(at: cut) ?? Int64(file.count))
        }
        let text = Array("no Parquet file\n".utf8)
        #expect(text.withUnsafeBytes { RowGroupRecords().border(at: 3, in: $0) } == Int64(text.count))
    }

    @Test func `an encrypted file and one of something else are told apart`() {
        let file = ParquetFixture.bytes
        #expect(throws: ParquetError.encrypted) { try footer(Array(file.dropLast(4)) + Array("PARE".utf8)) }
        #expect(throws: ParquetError.notParquet) { try footer(Array("PAR1 and no more".utf8)) }
        #expect(throws: ParquetError.notParquet) { try footer([]) }
        #expect(throws: ParquetError.damaged("it says a wrong length")) {
            try footer(Array("PAR1".utf8) + [0xFF, 0xFF, 0, 0] + Array("PAR1".utf8))
        }
        let large: [UInt8] = [0, 0, 0, 0x7F] + Array("PAR1".utf8)
        #expect(throws: ParquetError.unsupported("its footer is longer than 256 MiB")) {
            try ParquetTail.footer(large, size: 1 << 40)
        }
    }

    @Test func `a footer that is nested without end is refused`() {
        // Each byte begins a structure that is the first field of the one before.
        let deep = [UInt8](repeating: 0x1C, count: 1 << 20)
        #expect(throws: ParquetError.damaged("it is nested too deep")) { try ParquetFooter(deep, at: 4) }
        // A list of 2^60 structures.
        let long: [UInt8] = [0x19, 0xFC] + [UInt8](repeating: 0xFF, count: 8) + [0x0F, 0]
        #expect(throws: ParquetError.damaged("a list is longer than the footer")) { try ParquetFooter(long, at: 4) }
    }

    @Test(arguments: seeds)
    func `a damaged footer is refused or gives chunks inside of the file, and never ends the program`(
        seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        let file = ParquetFixture.bytes
        let range = try ParquetTail.footer(file, size: Int64(file.count))
        let sound = Array(file[Int(range.lowerBound)..<Int(range.upperBound)])
        var refused = 0
        for round in 0..<3000 {
            var bytes = sound
            for _ in 0...Int.random(in: 0...2, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
                case 2: bytes.remove(at: place)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                }
            }
            if round.isMultiple(of: 10) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            do throws(ParquetError) {
                let footer = try ParquetFooter(bytes, at: range.lowerBound)
                let half = footer.border(at: range.lowerBound / 2) ?? range.lowerBound
                for part in [0..<half, half..<Int64(file.count)] where half >= 0 {
                    let content = try footer.content(of: part)
                    for case .object(let range) in content.segments {
                        #expect((0...Int64(file.count)).contains(range.upperBound), "seed \(seed)")
                    }
                    // What was written can be read.
                    _ = try self.footer(self.bytes(content, of: file))
                }
            } catch {
                refused += 1
            }
        }
        #expect(refused > 300, "seed \(seed)")
    }

    @Test(arguments: seeds)
    func `a part of a content is a part of its bytes`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let object = (0..<200).map { UInt8($0) }
        for _ in 0..<300 {
            var segments: [ChunkContent.Segment] = []
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                let start = Int64.random(in: 0...190, using: &random)
                let count = Int64.random(in: 0...9, using: &random)
                let range = start..<start + count
                segments.append(
                    Bool.random(using: &random)
                        ? .object(range) : .literal(ByteSlice(object[Int(start)..<Int(start + count)])))
            }
            let content = ChunkContent(segments)
            let whole = bytes(content, of: object)
            #expect(content.count == Int64(whole.count), "seed \(seed)")
            let start = Int64.random(in: 0...50, using: &random)
            let end = start + Int64.random(in: 0...50, using: &random)
            let parts = content.parts(start..<end)
            let part = bytes(ChunkContent(parts.map(\.part)), of: object)
            #expect(part == Array(whole[min(Int(start), whole.count)..<min(Int(end), whole.count)]), "seed \(seed)")
        }
    }
}
