package import Bytes
package import Storage
import Transport

extension S3Store {
    package var uploadLimits: UploadLimits { .s3 }

    package func beginUpload(_ key: ObjectKey, attributes: ObjectAttributes) throws(StorageError) -> Upload {
        var call = S3Service.Call(method: .post, bucket: bucket, key: key)
        call.query = [("uploads", "")]
        call.headers = attributes.allHeaders
        call.body = .empty
        let (_, body) = try service.send(call)
        guard let id = XMLElement.parse(body)?["UploadId"]?.text, !id.isEmpty else {
            throw StorageError(.corrupted, "the service gave the upload no name")
        }
        return Upload(key: key, id: id)
    }

    package func writePart(
        _ number: Int, of upload: Upload, _ body: ByteSlice
    ) throws(StorageError) -> UploadedPart {
        var call = self.call(.put, upload, part: number)
        call.body = body
        let (response, _) = try service.send(call)
        return try UploadedPart(number: number, etag: ETag(of: upload.key, response), size: Int64(body.count))
    }

    package func copyPart(
        _ number: Int, of upload: Upload, from source: ObjectKey, range: Range<Int64>, ifVersion version: ETag
    ) throws(StorageError) -> UploadedPart {
        try copyPart(number, of: upload, from: source, bucket, range: range, ifVersion: version)
    }

    /// Makes one part of bytes that a bucket of this service has already.
    func copyPart(
        _ number: Int, of upload: Upload, from source: ObjectKey, _ sourceBucket: String, range: Range<Int64>,
        ifVersion version: ETag
    ) throws(StorageError) -> UploadedPart {
        guard !range.isEmpty else { throw StorageError(.invalid, "no bytes to copy") }
        var call = self.call(.put, upload, part: number)
        call.patience = S3Service.Call.working
        call.headers = [
            ("x-amz-copy-source", "/" + PercentEncoding.path(sourceBucket + "/" + source.string)),
            ("x-amz-copy-source-if-match", version.header),
            ("x-amz-copy-source-range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)"),
        ]
        do throws(StorageError) {
            let (response, body) = try service.send(call)
            guard !body.isEmpty else { throw StorageError(.unsupported, "the service copies no parts") }
            guard let document = XMLElement.parse(body), document.name == "CopyPartResult",
                let etag = document["ETag"]?.text
            else {
                throw StorageError(response, body: body)
            }
            return UploadedPart(number: number, etag: ETag(header: etag), size: Int64(range.count))
        } catch {
            throw error.code == .preconditionFailed ? .changed() : error
        }
    }

    @discardableResult
    package func complete(
        _ upload: Upload, _ parts: [UploadedPart], condition: WriteCondition
    ) throws(StorageError) -> CompletedUpload {
        // Few services check a condition here, and some ignore it: a look beforehand narrows the gap.
        try check(condition, of: upload.key)
        var call = self.call(.post, upload)
        call.patience = S3Service.Call.working
        call.body = ByteSlice(Self.document(parts).utf8)
        let (response, body) = try service.send(call)
        // The service keeps the connection alive with a status of 200 before it knows how this goes.
        guard let document = XMLElement.parse(body), document.name != "Error", let version = document["ETag"] else {
            throw StorageError(response, body: body)
        }
        return .named(ETag(header: version.text))
    }

    package func abort(_ upload: Upload) throws(StorageError) {
        do throws(StorageError) {
            _ = try service.send(call(.delete, upload))
        } catch {
            guard error.code == .notFound else { throw error }
        }
    }

    package func uploads(prefix: String) throws(StorageError) -> [PendingUpload] {
        var uploads: [PendingUpload] = []
        var call = S3Service.Call(method: .get, bucket: bucket)
        let query: [(name: String, value: String)] = [("uploads", ""), ("encoding-type", "url"), ("prefix", prefix)]
        call.query = query
        var last: (key: String, id: String)?
        while true {
            let (_, body) = try service.send(call)
            guard let page = XMLElement.parse(body), page.name == "ListMultipartUploadsResult" else {
                throw StorageError(.corrupted, "the service sent no list of uploads")
            }
            let isEncoded = page["EncodingType"]?.text == "url"
            for element in page.all("Upload") {
                guard let text = element["Key"]?.text, let key = isEncoded ? PercentEncoding.decode(text) : text,
                    let id = element["UploadId"]?.text
                else { continue }
                uploads.append(
                    PendingUpload(
                        Upload(key: ObjectKey(key), id: id),
                        begun: element["Initiated"].flatMap { Dates.iso8601($0.text) }))
            }
            guard page.isTruncated, let key = page["NextKeyMarker"]?.text, let id = page["NextUploadIdMarker"]?.text
            else {
                return uploads
            }
            guard last?.key != key || last?.id != id else {
                throw StorageError(.corrupted, "the service's list of uploads does not go on")
            }
            last = (key, id)
            let marker = isEncoded ? PercentEncoding.decode(key) ?? key : key
            call.query = query
            call.query.append(("key-marker", marker))
            call.query.append(("upload-id-marker", id))
        }
    }

    package func parts(of upload: Upload) throws(StorageError) -> [UploadedPart] {
        var parts: [UploadedPart] = []
        var call = self.call(.get, upload)
        var last: Int?
        while true {
            let (_, body) = try service.send(call)
            guard let page = XMLElement.parse(body), page.name == "ListPartsResult" else {
                throw StorageError(.corrupted, "the service sent no list of parts")
            }
            for element in page.all("Part") {
                guard let number = element["PartNumber"].flatMap({ Int($0.text) }),
                    let size = element["Size"].flatMap({ Int64($0.text) }), let etag = element["ETag"]?.text
                else { continue }
                parts.append(UploadedPart(number: number, etag: ETag(header: etag), size: size))
            }
            guard page.isTruncated, let marker = page["NextPartNumberMarker"].flatMap({ Int($0.text) }),
                marker >= parts.last?.number ?? 0, !page.all("Part").isEmpty
            else {
                return parts.sorted { $0.number < $1.number }
            }
            guard marker != last else {
                throw StorageError(.corrupted, "the service's list of parts does not go on")
            }
            last = marker
            call = self.call(.get, upload)
            call.query.append(("part-number-marker", String(marker)))
        }
    }

    private func call(_ method: HTTPRequest.Method, _ upload: Upload, part: Int? = nil) -> S3Service.Call {
        var call = S3Service.Call(method: method, bucket: bucket, key: upload.key)
        if let part { call.query.append(("partNumber", String(part))) }
        call.query.append(("uploadId", upload.id))
        return call
    }

    private func check(_ condition: WriteCondition, of key: ObjectKey) throws(StorageError) {
        guard condition != .always else { return }
        let current: ObjectInfo?
        do throws(StorageError) {
            current = try info(key)
        } catch {
            guard error.code == .notFound else { throw error }
            current = nil
        }
        switch condition {
        case .always: return
        case .absent:
            guard current == nil else {
                throw StorageError(.preconditionFailed, "there is such an object already")
            }
        case .unchanged(let version):
            guard current?.etag == version else { throw StorageError(.preconditionFailed, "the object has changed") }
        }
    }

    private static func document(_ parts: [UploadedPart]) -> String {
        var text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        for part in parts {
            // A version is a word of the service's own; in XML, its quotation marks are written out.
            let etag = part.etag.string.filter { $0 != "<" && $0 != "&" && $0 != ">" }
            text += "<Part><PartNumber>\(part.number)</PartNumber><ETag>&quot;\(etag)&quot;</ETag></Part>"
        }
        return text + "</CompleteMultipartUpload>"
    }
}
