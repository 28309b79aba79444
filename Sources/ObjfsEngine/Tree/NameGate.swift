import Storage
import Threads

/// Keeps those apart who use names and those who change them.
///
/// The kernel does that for the names of one folder, but neither for who opens a file by its number nor for what goes
/// on below a folder that is renamed.
final class NameGate: Sendable {
    /// Some names.
    enum Names {
        case one(ObjectKey)
        /// All that begin so.
        case below(String)
    }

    fileprivate struct Claim {
        let number: UInt64
        let names: [Names]
        let isExclusive: Bool
    }

    fileprivate struct State {
        var claims: [Claim] = []
        /// Those who wait to change names; they keep out who comes to use them, and would else wait for ever.
        var pending: [Claim] = []
        var last: UInt64 = 0
        var waiting = 0
    }

    private let state = Monitor(State())

    /// Does something while nobody changes some names; others may use them.
    func whileUsing<Result, Failure: Error>(
        _ names: [Names], _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try holding(names, isExclusive: false, body)
    }

    func whileUsing<Result, Failure: Error>(
        _ key: ObjectKey, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try whileUsing([.one(key)], body)
    }

    /// Does something while nobody else uses or changes some names.
    func whileChanging<Result, Failure: Error>(
        _ names: [Names], _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try holding(names, isExclusive: true, body)
    }

    private func holding<Result, Failure: Error>(
        _ names: [Names], isExclusive: Bool, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let claim = enter(names, isExclusive: isExclusive)
        defer { leave(claim) }
        return try body()
    }

    /// Whether somebody changes a name.
    func isChanging(_ key: ObjectKey) -> Bool { state.withLock { $0.isChanging(key) } }

    /// Waits until nobody changes a name.
    func waitWhileChanging(_ key: @autoclosure () -> ObjectKey) {
        wait { $0.isChanging(key()) ? nil : () }
    }

    private func enter(_ names: [Names], isExclusive: Bool) -> UInt64 {
        let claim = state.withLock { state in
            state.last += 1
            let claim = Claim(number: state.last, names: names, isExclusive: isExclusive)
            if isExclusive { state.pending.append(claim) }
            return claim
        }
        // All names or none.
        wait { state -> Void? in
            guard !state.claims.contains(where: claim.excludes),
                isExclusive || !state.pending.contains(where: claim.excludes)
            else { return nil }
            state.pending.removeAll { $0.number == claim.number }
            state.claims.append(claim)
            return ()
        }
        return claim.number
    }

    private func wait<Result>(for body: (inout State) -> Result?) -> Result {
        if let result = state.withLock({ body(&$0) }) { return result }
        state.withLock { $0.waiting += 1 }
        defer { state.withLock { $0.waiting -= 1 } }
        return state.wait(for: body)
    }

    private func leave(_ number: UInt64) {
        let isAwaited = state.withLock { state in
            state.claims.removeAll { $0.number == number }
            return state.waiting > 0
        }
        if isAwaited { state.update { _ in } }
    }
}

extension NameGate.State {
    fileprivate func isChanging(_ key: ObjectKey) -> Bool {
        claims.contains { claim in claim.isExclusive && claim.names.contains { $0.contains(key) } }
    }
}

extension NameGate.Claim {
    /// Whether two can't be held at a time.
    fileprivate func excludes(_ other: NameGate.Claim) -> Bool {
        (isExclusive || other.isExclusive) && names.contains { own in other.names.contains { own.overlaps($0) } }
    }
}

extension NameGate.Names {
    func contains(_ key: ObjectKey) -> Bool {
        switch self {
        case .one(let own): own == key
        case .below(let prefix): key.string.beginsWithBytes(of: prefix)
        }
    }

    fileprivate func overlaps(_ other: NameGate.Names) -> Bool {
        switch (self, other) {
        case (let names, .one(let key)), (.one(let key), let names): names.contains(key)
        case (.below(let prefix), .below(let other)):
            prefix.beginsWithBytes(of: other) || other.beginsWithBytes(of: prefix)
        }
    }
}
