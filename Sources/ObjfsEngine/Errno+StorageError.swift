package import Storage
package import SystemPackage

extension Errno {
    /// The number that a program sees when a store failed.
    ///
    /// This is the only place where a failure of a store becomes an `errno`.
    package init(_ error: StorageError) {
        self =
            switch error.code {
            case .notFound: .noSuchFileOrDirectory
            case .noSuchBucket: .noSuchAddressOrDevice
            case .accessDenied, .credentials: .permissionDenied
            case .changed: .staleNFSFileHandle
            case .preconditionFailed: .resourceTemporarilyUnavailable
            case .unsupported, .rangeNotSatisfiable: .notSupportedOnSocket
            case .invalid: .invalidArgument
            case .timedOut: .timedOut
            case .unavailable, .corrupted, .damaged: .ioError
            case .compressed, .wrongFormat: .wrongMediumType
            case .noSpace: .noSpace
            case .cancelled: .interrupted
            }
    }

    /// The file is not of a kind that can be served so: `EMEDIUMTYPE`.
    package static var wrongMediumType: Errno { Errno(rawValue: 124) }
}
