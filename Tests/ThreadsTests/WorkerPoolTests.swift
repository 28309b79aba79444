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

    @Test func `a wait with a limit of time ends`() {
        let state = Monitor(0)
        #expect(state.wait(atMost: .milliseconds(20)) { _ -> Int? in nil } == nil)
    }
}
