package import Storage
import Threads

/// A value that one thread finds out, while the others who want it wait; a failure is told, and not kept.
package final class Once<Value: Sendable>: Sendable {
    private enum State {
        case unknown
        case running
        case known(Value)
    }

    private let state: Monitor<State>

    /// Begins with a value that is known already, if there is one.
    package init(_ value: Value? = nil) { state = Monitor(value.map(State.known) ?? .unknown) }

    /// The value, if it has been found out.
    package var known: Value? {
        state.withLock { state in
            guard case .known(let value) = state else { return nil }
            return value
        }
    }

    /// The value, found out by `body` if nobody has it yet.
    ///
    /// - Throws: What `body` throws.
    package func value(_ body: () throws(StorageError) -> Value) throws(StorageError) -> Value {
        let known = state.wait { state -> Value?? in
            switch state {
            case .known(let value): return .some(value)
            case .running: return nil
            case .unknown:
                state = .running
                return .some(nil)
            }
        }
        if let known { return known }
        do {
            let value = try body()
            state.update { $0 = .known(value) }
            return value
        } catch {
            state.update { $0 = .unknown }
            throw error
        }
    }
}
