import Bytes
import ObjfsRunner
import Storage
import Synchronization

/// The places of workers that have no credentials: who takes one has its name, and room for some output.
final class Seats: Sendable {
    private let folder: JobFolder
    private let pass: JobPass
    private let state: Mutex<State>

    private struct State {
        /// The seat whose parts are used now, and how many of them are.
        var seat: Int
        var parts = 0
    }

    /// Takes a seat.
    init(_ pass: JobPass, _ folder: JobFolder) throws(StorageError) {
        self.folder = folder
        self.pass = pass
        let seat = try Self.take(folder, pass)
        name = pass.workerName(seat)
        state = Mutex(State(seat: seat))
    }

    /// What the worker is called.
    let name: String

    /// A name for a part of an output; `nil` if no seat is left that has any.
    func newPart() -> String? {
        state.withLock { state in
            if state.parts == JobPass.partsOfSeat {
                guard let seat = try? Self.take(folder, pass) else { return nil }
                state = State(seat: seat)
            }
            defer { state.parts += 1 }
            return pass.partName(state.seat, state.parts)
        }
    }

    /// Takes a seat that nobody has.
    private static func take(_ folder: JobFolder, _ pass: JobPass) throws(StorageError) -> Int {
        let count = pass.seats
        guard count > 0 else { throw StorageError(.noSpace, "the job has no seats") }
        // Who begins at the same place as all others would find all of them taken, one by one.
        let first = Int.random(in: 0..<count)
        for seat in Array(first..<count) + Array(0..<first) {
            do throws(StorageError) {
                try folder.put(pass.seatName(seat), Array("taken\n".utf8), .absent)
                return seat
            } catch {
                // Of one that may or may not be taken, nobody needs to know.
                guard error.code == .preconditionFailed || error.isTransient else { throw error }
            }
        }
        throw StorageError(.noSpace, "more workers were started than the job has seats")
    }
}
