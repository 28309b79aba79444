import Records
import Testing

@Suite struct ChunkPlanTests {
    @Test(arguments: [0, 1, 5, 10, 1_000_003] as [Int64], [1, 2, 3, 7, 16, 200] as [Int64])
    func `C1: with a count there are exactly so many chunks, cut at i S / n`(size: Int64, count: Int64) {
        let plan = ChunkPlan(size: size, cut: .count(count))
        #expect(plan.count == count)
        for index in 0...count { #expect(plan.nominalOffset(index) == index * size / count) }
    }

    @Test(arguments: [0, 1, 5, 10, 1_000_003] as [Int64], [1, 2, 3, 64, 4_000_000] as [Int64])
    func `C1: with a size, cuts are its multiples, and an empty object is one chunk`(size: Int64, bytes: Int64) {
        let plan = ChunkPlan(size: size, cut: .size(bytes))
        #expect(plan.count == max(1, (size + bytes - 1) / bytes))
        for index in 0..<plan.count { #expect(plan.nominalOffset(index) == index * bytes) }
        #expect(plan.nominalOffset(plan.count) == size)
    }

    @Test func `C1: the largest sizes and counts do not overflow`() {
        let plan = ChunkPlan(size: .max, cut: .count(Int64(Int32.max)))
        #expect(plan.nominalOffset(plan.count) == .max)
        #expect(plan.nominalOffset(plan.count - 1) < .max)
        #expect(ChunkPlan(size: .max, cut: .size(.max)).count == 1)
    }
}
