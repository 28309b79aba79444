import Threads

/// A place that threads pass only while it is open, and that tells how many have come.
package final class Gate: Sendable {
    private let state = Monitor((isOpen: false, arrived: 0))

    package init() {}

    /// Waits until the gate is open.
    package func pass() {
        state.update { $0.arrived += 1 }
        state.wait { $0.isOpen ? () : nil }
    }

    package func open() { state.update { $0.isOpen = true } }

    /// Waits until so many have come, for ten seconds at most; says whether they have.
    package func waitForArrivals(_ count: Int = 1) -> Bool {
        state.wait(atMost: .seconds(10)) { $0.arrived >= count ? () : nil } != nil
    }
}
