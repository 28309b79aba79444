import Synchronization
import VFS

/// The open files, or the open directories, by the numbers that the kernel has for them.
final class HandleTable<Value: Sendable>: Sendable {
    private struct State {
        var values: [UInt64: Value] = [:]
        var last: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Gives a value a number that no other has had.
    func insert(_ value: Value) -> FileHandle {
        state.withLock { state in
            state.last += 1
            state.values[state.last] = value
            return FileHandle(rawValue: state.last)
        }
    }

    subscript(handle: FileHandle) -> Value? { state.withLock { $0.values[handle.rawValue] } }

    /// Takes a value out.
    func remove(_ handle: FileHandle) -> Value? { state.withLock { $0.values.removeValue(forKey: handle.rawValue) } }

    /// Takes all values out.
    func removeAll() -> [Value] {
        state.withLock { state in
            defer { state.values = [:] }
            return Array(state.values.values)
        }
    }
}
