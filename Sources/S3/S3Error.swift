import Storage
import Transport

extension StorageError {
    /// What a service's refusal means.
    ///
    /// This is the only place where a status of HTTP and a code of S3 become an error of a store.
    /// See: "Error responses" in Amazon's S3 reference.
    ///
    /// - Parameters:
    ///   - response: The status and headers.
    ///   - body: The document that came with it, of which a HEAD has none.
    init(_ response: HTTPResponse, body: [UInt8]) {
        let document = XMLElement.parse(body)
        let isTold = document?.name == "Error"
        let code = isTold ? document?["Code"]?.text : nil
        let words = ["\(response.status)", code ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
        // A page of something on the way there says nothing of objects.
        guard isTold || body.isEmpty || response.status != 404 else {
            self.init(.unavailable, "something other than the service answered (\(words))")
            return
        }
        let (meaning, reason, hint) = Self.meaning(response.status, code)
        self.init(
            meaning, "\(reason) (\(words))", hint: hint,
            retryAfter: response.headers["retry-after"].flatMap { Int64($0) }.map { .seconds(min(max($0, 0), 3600)) })
    }

    /// What a code of S3 means that came in the midst of a document, without a status of its own.
    init(code: String, status: Int) {
        let (meaning, reason, hint) = Self.meaning(status, code)
        self.init(meaning, code.isEmpty ? reason : "\(reason) (\(code))", hint: hint)
    }

    private static func meaning(_ status: Int, _ code: String?) -> (Code, String, hint: String?) {
        switch code {
        case "NoSuchKey": return (.notFound, "no such object", nil)
        case "NoSuchBucket":
            return (.noSuchBucket, "no such bucket", "objfs ls s3: lists the buckets there are")
        case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "TokenRefreshRequired", "InvalidSecurity":
            return (
                .credentials, "the service does not know these credentials", "objfs doctor tells where they are from"
            )
        case "ExpiredToken", "RequestExpired":
            return (.credentials, "the credentials have expired", "get new ones, for example by: aws sso login")
        case "RequestTimeTooSkewed":
            return (
                .credentials, "the clock of this machine differs from that of the service", "set it, for example by NTP"
            )
        case "RequestTimeout": return (.timedOut, "the service waited too long for the request", nil)
        case "SlowDown", "InternalError", "ServiceUnavailable", "OperationAborted", "ConditionalRequestConflict":
            return (.unavailable, "the service failed", nil)
        case "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch":
            return (.corrupted, "the service received something else than was sent", nil)
        case "QuotaExceeded", "EntityTooLarge": return (.noSpace, "the service takes no more", nil)
        case "InvalidObjectState":
            return (.accessDenied, "the object is archived", "restore it in the service first")
        case "AccessDenied": return (.accessDenied, "access denied", nil)
        case "NotImplemented", "MethodNotAllowed": return (.unsupported, "the service does not offer this", nil)
        // Nobody refused anything: it may have been carried out.
        case nil where 200..<300 ~= status: return (.corrupted, "the service's answer can't be read", nil)
        default: return meaning(status)
        }
    }

    private static func meaning(_ status: Int) -> (Code, String, hint: String?) {
        switch status {
        case 401, 403: (.accessDenied, "access denied", nil)
        // Without the service's own word that there is no such key it may be anything that is not found there.
        case 404: (.notFound, "no such object", nil)
        case 408: (.timedOut, "the service waited too long for the request", nil)
        case 416: (.rangeNotSatisfiable, "the object has no such range", nil)
        case 412: (.preconditionFailed, "the object has changed", nil)
        case 429, 500, 502...599: (.unavailable, "the service failed", nil)
        case 501: (.unsupported, "the service does not offer this", nil)
        case 507: (.noSpace, "the service takes no more", nil)
        case 300..<400: (.invalid, "the bucket is elsewhere", "name its region, or the address of its service")
        default: (.invalid, "the service refused the request", nil)
        }
    }

    /// What a failed exchange means.
    init(_ error: TransportError) {
        switch error.code {
        case .unknownHost, .notConnected, .interrupted: self.init(.unavailable, error.message, cause: error)
        case .malformed: self.init(.corrupted, error.message, cause: error)
        case .timedOut: self.init(.timedOut, error.message, cause: error)
        case .untrusted:
            self.init(
                .invalid, error.message, hint: "AWS_CA_BUNDLE names a file of certificates to trust", cause: error)
        case .invalid: self.init(.invalid, error.message, cause: error)
        case .cancelled: self.init(.cancelled, error.message, cause: error)
        }
    }
}
