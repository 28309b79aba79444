import Glibc
package import Storage
import Transport

/// One thing that may be done with one object.
package struct Permission: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        case read
        case write
        /// Write it if it is not there.
        case create
        case delete
    }

    package let action: Action
    package let bucket: String
    package let key: ObjectKey

    package init(_ action: Action, bucket: String, key: ObjectKey) {
        self.action = action
        self.bucket = bucket
        self.key = key
    }

    /// What a request needs; `nil` for one that no permission is ever given for.
    init?(_ call: S3Service.Call) {
        guard let bucket = call.bucket, let key = call.key, call.query.isEmpty else { return nil }
        let names = Set(call.headers.map { $0.name.lowercased() })
        switch call.method {
        case .get: self.init(.read, bucket: bucket, key: key)
        case .put where names.contains("x-amz-copy-source") || names.contains("if-match"): return nil
        case .put: self.init(names.contains("if-none-match") ? .create : .write, bucket: bucket, key: key)
        case .delete: self.init(.delete, bucket: bucket, key: key)
        default: return nil
        }
    }

    var method: String {
        switch action {
        case .read: "GET"
        case .write, .create: "PUT"
        case .delete: "DELETE"
        }
    }

    /// The headers that are signed, and must be sent as they are.
    var headers: [(name: String, value: String)] { action == .create ? [("If-None-Match", "*")] : [] }
}

/// Signatures that somebody else has made, by which one may do some things without any credentials.
package protocol PermissionSource: Sendable {
    /// Who made them, and until when they are good.
    var claim: PresignedClaim { get }

    /// The signature of a permission, in hexadecimal; `nil` if it was not given.
    func signature(_ permission: Permission) -> String?
}

extension S3Service {
    /// Makes signatures, all of one moment.
    package struct Signer: Sendable {
        package let claim: PresignedClaim
        private let credentials: Credentials
        private let service: S3Service

        fileprivate init(_ service: S3Service, _ credentials: Credentials, _ claim: PresignedClaim) {
            self.service = service
            self.credentials = credentials
            self.claim = claim
        }

        /// The signature of a permission, in hexadecimal.
        package func signature(_ permission: Permission) -> String {
            let region = service.region(of: permission.bucket)
            let place = service.endpoint(in: region).place(bucket: permission.bucket, key: permission.key.string)
            return service.signature.signature(
                for: .init(
                    method: permission.method, host: place.host, path: place.path, headers: permission.headers,
                    bodyHash: ""),
                claim, by: credentials, region: region)
        }

        /// A URL that is a permission for everybody who has it.
        package func url(_ permission: Permission) -> String {
            let region = service.region(of: permission.bucket)
            let endpoint = service.endpoint(in: region)
            let place = endpoint.place(bucket: permission.bucket, key: permission.key.string)
            let query = claim.query(
                headers: permission.headers.map(\.name), region: region, signature: signature(permission))
            return "\(endpoint.scheme)://\(place.host)\(place.path)?\(query)"
        }
    }

    /// Somebody to make signatures that are good for a while.
    ///
    /// - Parameter seconds: How long, at most; it is less if the credentials end before.
    /// - Throws: ``StorageError/Code/credentials`` if nobody is there to sign.
    package func signer(seconds: Int64) throws(StorageError) -> Signer {
        guard let credentials = try credentials.credentials() else {
            throw StorageError(.credentials, "there are no credentials to sign with")
        }
        var seconds = seconds
        if let end = credentials.expires {
            seconds = min(seconds, end.nanoseconds / 1_000_000_000 - Int64(time(nil)))
            guard seconds > 0 else { throw StorageError(.credentials, "the credentials have expired") }
        }
        let claim = PresignedClaim(
            accessKey: credentials.accessKey, date: Dates.signing(), seconds: seconds, token: credentials.sessionToken)
        return Signer(self, credentials, claim)
    }
}
