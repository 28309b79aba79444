/// Threads that do jobs that may block, a bounded number of them at a time.
///
/// Jobs start in the order in which they were given.
/// Threads are started as they are needed, and end when they have been idle for a while.
package final class WorkerPool: Sendable {
    fileprivate struct State {
        var jobs: [@Sendable () -> Void] = []
        var next = 0
        var idle = 0
        var threads = 0
    }

    private let name: String
    private let limit: Int
    private let state = Monitor(State())

    /// Makes a pool without threads.
    ///
    /// - Parameters:
    ///   - name: What its threads are called.
    ///   - limit: How many threads it may have; at least one.
    package init(_ name: String, limit: Int) {
        self.name = name
        self.limit = max(limit, 1)
    }

    /// Gives a job to the pool and returns at once.
    ///
    /// Where the system allows no thread at all, the job is done before this returns.
    package func submit(_ job: @escaping @Sendable () -> Void) {
        let needsThread = state.update { state in
            state.jobs.append(job)
            guard state.idle < state.jobs.count - state.next, state.threads < limit else { return false }
            state.threads += 1
            return true
        }
        guard needsThread else { return }
        if let thread = Thread.start(name, { self.work() }) {
            thread.detach()
        } else if state.withLock({ state in
            state.threads -= 1
            return state.threads == 0
        }) {
            while let job = takeNow() { job() }
        }
    }

    /// Does something with each of some elements, as many at a time as the pool allows, and waits for all.
    ///
    /// After a failure no other is begun.
    ///
    /// - Returns: What came of each, in the order of the elements.
    /// - Throws: The first failure.
    package func each<Element: Sendable, Result: Sendable, Failure: Error>(
        _ elements: [Element], _ body: @escaping @Sendable (Element) throws(Failure) -> Result
    ) throws(Failure) -> [Result] {
        let state = Monitor((open: elements.count, results: [Int: Result](), failure: Failure?.none))
        for (index, element) in elements.enumerated() {
            submit {
                guard state.withLock({ $0.failure == nil }) else { return state.update { $0.open -= 1 } }
                let result = Swift.Result { () throws(Failure) in try body(element) }
                state.update { state in
                    state.open -= 1
                    switch result {
                    case .success(let result): state.results[index] = result
                    case .failure(let error): state.failure = state.failure ?? error
                    }
                }
            }
        }
        let (results, failure) = state.wait { $0.open == 0 ? ($0.results, $0.failure) : nil }
        if let failure { throw failure }
        return elements.indices.compactMap { results[$0] }
    }

    private func work() {
        while let job = take() { job() }
    }

    /// The next job, waited for a while; `nil` tells the thread to end.
    private func take() -> (@Sendable () -> Void)? {
        state.withLock { $0.idle += 1 }
        let job = state.wait(atMost: .seconds(10)) { state in state.takeJob() }
        return state.withLock { state in
            state.idle -= 1
            // A job may have come between the end of the wait and this line.
            guard let job = job ?? state.takeJob() else {
                state.threads -= 1
                return nil
            }
            return job
        }
    }

    private func takeNow() -> (@Sendable () -> Void)? {
        state.withLock { $0.takeJob() }
    }
}

extension WorkerPool.State {
    fileprivate mutating func takeJob() -> (@Sendable () -> Void)? {
        guard next < jobs.count else { return nil }
        let job = jobs[next]
        jobs[next] = {}
        next += 1
        if next == jobs.count {
            jobs.removeAll(keepingCapacity: true)
            next = 0
        }
        return job
    }
}
