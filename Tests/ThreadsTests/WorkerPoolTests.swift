import Testing
import Threads

@Suite struct WorkerPoolTests {
    @Test func `every job is done, and no more at a time than the pool has threads`() {
        struct State {
            var running = 0
            var most = 0
            var done = 0
        }
        let state = Monitor(State())
        let pool = WorkerPool("test", limit: 4)
        for _ in 0..<500 {
            pool.submit {
                state.update { state in
                    state.running += 1
                    state.most = max(state.most, state.running)
                }
                state.update { state in
                    state.running -= 1
                    state.done += 1
                }
            }
        }
        let most = state.wait { state -> Int? in state.done == 500 ? state.most : nil }
        #expect(1...4 ~= most)
    }

    @Test func `what comes of each element is in their order`() throws {
        let pool = WorkerPool("test", limit: 4)
        #expect(pool.each(Array(0..<500)) { $0 * 2 } == (0..<500).map { $0 * 2 })
        #expect(pool.each([Int]()) { $0 } == [])
    }

    @Test func `after a failure no other element is begun, and what had begun has ended`() {
        struct Failure: Error, Equatable { let number: Int }
        let state = Monitor((begun: 0, ended: 0))
        let pool = WorkerPool("test", limit: 4)
        #expect(throws: Failure(number: 10)) {
            try pool.each(Array(0..<500)) { (number) throws(Failure) in
                state.update { $0.begun += 1 }
                defer { state.update { $0.ended += 1 } }
                if number == 10 { throw Failure(number: number) }
                // Nobody goes beyond it before it has failed.
                if number > 10 { state.wait { $0.ended > 10 ? () : nil } }
            }
        }
        let counts = state.withLock { $0 }
        #expect(counts.begun == counts.ended && counts.begun < 20)
    }

    @Test func `a wait with a limit of time ends`() {
        let state = Monitor(0)
        #expect(state.wait(atMost: .milliseconds(20)) { _ -> Int? in nil } == nil)
    }
}
