/// Why a store did not do what it was asked.
package struct StorageError: Error, Sendable {
    /// What happened, for programs.
    package enum Code: Hashable, Sendable, CaseIterable {
        /// The store said that there is no such object.
        case notFound
        /// The store said that there is no such bucket.
        case noSuchBucket
        /// The store knows who asks, and refuses; or nobody was named where somebody must be.
        case accessDenied
        /// The store does not know these credentials, or they have expired, or there are none.
        case credentials
        /// The object is no longer the version that was asked for.
        case changed
        /// The condition of a write did not hold.
        case preconditionFailed
        /// The object ends before the range that was asked for; stores read nothing then, and do not throw this.
        case rangeNotSatisfiable
        /// The store lacks what was asked for.
        case unsupported
        /// The request was wrong, and would be wrong again.
        case invalid
        /// No answer came in time.
        case timedOut
        /// The store could not be reached, or failed by itself, or asked to slow down.
        case unavailable
        /// What came is not what was promised.
        case corrupted
        /// The object is compressed, and can't be cut into records as it is.
        case compressed
        /// The object is not of the format as which it was to be cut, or hides from view what would have to be known.
        case wrongFormat
        /// The object is of its format, but says what can't be: it was damaged before it came.
        case damaged
        /// There is no room for what should be written.
        case noSpace
        /// The caller ended it.
        case cancelled

        /// Whether the same request may succeed a moment later.
        package var isTransient: Bool {
            switch self {
            case .timedOut, .unavailable, .corrupted: true
            case .notFound, .noSuchBucket, .accessDenied, .credentials, .changed, .preconditionFailed,
                .rangeNotSatisfiable,
                .unsupported, .invalid, .compressed, .wrongFormat, .damaged, .noSpace, .cancelled:
                false
            }
        }
    }

    package let code: Code
    /// What happened, for people: lower case, without a full stop, without the object's name: `access denied (403 AccessDenied)`.
    package let message: String
    /// What the person might do, where something can be done.
    package let hint: String?
    /// How long the store asked to be left alone.
    package let retryAfter: Duration?
    /// The failure beneath.
    package let cause: (any Error)?

    package init(
        _ code: Code, _ message: String, hint: String? = nil, retryAfter: Duration? = nil, cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.hint = hint
        self.retryAfter = retryAfter
        self.cause = cause
    }

    /// Whether the same request may succeed a moment later.
    package var isTransient: Bool { code.isTransient }
}

extension StorageError: CustomStringConvertible {
    package var description: String { message }
}
