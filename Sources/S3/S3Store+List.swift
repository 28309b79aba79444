package import Storage
import Transport

extension S3Store {
    package func list(_ request: ListingRequest) throws(StorageError) -> ListingPage {
        var query: [(name: String, value: String)] = [
            ("list-type", "2"), ("encoding-type", "url"), ("max-keys", "\(min(max(request.limit, 1), 1000))"),
            ("prefix", request.prefix),
        ]
        if request.isDelimited { query.append(("delimiter", "/")) }
        if let token = request.token {
            query.append(("continuation-token", token.string))
        } else if let after = request.startAfter {
            query.append(("start-after", after.string))
        }
        do throws(StorageError) {
            let (_, body) = try service.send(.init(method: .get, bucket: bucket, query: query))
            noteBucket()
            let page = try ListingPage(document: body)
            // Whoever walks through the pages would never come to an end.
            guard page.next == nil || page.next != request.token else {
                throw StorageError(.corrupted, "the service's listing does not go on")
            }
            return page
        } catch {
            // A listing asks for no object: what is not found is the bucket.
            guard error.code == .notFound else { throw error }
            throw StorageError(.noSuchBucket, "no such bucket", cause: error)
        }
    }
}

extension ListingPage {
    /// Reads a `ListBucketResult`.
    init(document bytes: [UInt8]) throws(StorageError) {
        let damaged = StorageError(.corrupted, "the service's listing is damaged")
        guard let document = XMLElement.parse(bytes), document.name == "ListBucketResult" else { throw damaged }
        let isEncoded = document["EncodingType"]?.text == "url"
        // Names that are written out must be whole.
        guard isEncoded || !bytes.contains(where: XMLElement.isForbidden) else { throw damaged }
        var illegible: [String] = []
        func name(_ element: XMLElement?) throws(StorageError) -> String? {
            guard let text = element?.text else { throw damaged }
            let name = isEncoded ? PercentEncoding.decode(text) : text
            if name == nil { illegible.append(text) }
            return name
        }
        self.init()
        for element in document.all("Contents") {
            guard let size = element["Size"].flatMap({ Int64($0.text) }), size >= 0 else { throw damaged }
            guard let key = try name(element["Key"]) else { continue }
            objects.append(
                ObjectInfo(
                    key: ObjectKey(key), size: size,
                    etag: ETag(header: element["ETag"]?.text ?? ""),
                    modified: element["LastModified"].flatMap { Dates.iso8601($0.text) } ?? Timestamp(nanoseconds: 0)))
        }
        for element in document.all("CommonPrefixes") {
            if let prefix = try name(element["Prefix"]) { prefixes.append(prefix) }
        }
        self.illegible = illegible
        guard document["IsTruncated"]?.text.lowercased() != "false" else { return }
        if let token = document["NextContinuationToken"]?.text, !token.isEmpty {
            next = ListingToken(token)
        } else if document.isTruncated {
            // A page that is not the last and does not say how to go on would end the listing too early, unnoticed.
            throw damaged
        }
    }
}

extension XMLElement {
    /// Whether a listing goes on after this page of it; some services write `True`.
    var isTruncated: Bool { self["IsTruncated"]?.text.lowercased() == "true" }
}
