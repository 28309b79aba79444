import Bytes
import Storage

extension Credentials {
    /// Reads what a program or a service of AWS answers: its names differ, its form does not.
    ///
    /// - Throws: ``StorageError/Code/credentials`` if it has no credentials, with what it says instead.
    init(document text: String, from source: String) throws(StorageError) {
        guard let document = JSON(text) else {
            throw StorageError(.credentials, "\(source) does not answer with JSON")
        }
        guard let accessKey = (document["AccessKeyId"] ?? document["accessKeyId"])?.string,
            let secretKey = (document["SecretAccessKey"] ?? document["secretAccessKey"])?.string
        else {
            let reason = (document["Message"] ?? document["message"] ?? document["Code"])?.string
            throw StorageError(.credentials, "\(source) has no credentials" + (reason.map { ": \($0)" } ?? ""))
        }
        let token = document["SessionToken"] ?? document["Token"] ?? document["sessionToken"]
        let expires = document["Expiration"]?.string.flatMap { Dates.iso8601($0) }
        self.init(accessKey: accessKey, secretKey: secretKey, sessionToken: token?.string, expires: expires)
    }
}
