package import Storage

extension S3Service {
    /// A URL that lets anybody read an object for a while, without credentials of their own.
    ///
    /// Nothing is asked of the service: the URL of an object that is not there is as well-formed.
    ///
    /// - Parameter seconds: How long it is good, from now on; services refuse more than seven days.
    /// - Throws: ``StorageError/Code/credentials`` if nobody is there to sign.
    package func presignedURL(
        bucket: String, key: ObjectKey, seconds: Int64
    ) throws(StorageError) -> (url: String, credentialsEnd: Timestamp?) {
        guard let credentials = try credentials.credentials() else {
            throw StorageError(.credentials, "there are no credentials to sign a URL with")
        }
        let region = region(of: bucket)
        let place = endpoint(in: region).place(bucket: bucket, key: key.string)
        let query = signature.query(
            for: .init(method: "GET", host: place.host, path: place.path, bodyHash: ""), by: credentials,
            region: region, date: Dates.signing(), seconds: seconds)
        return ("\(endpoint.scheme)://\(place.host)\(place.path)?\(query)", credentials.expires)
    }
}
