/// Why an object can't be cut into row groups.
package enum ParquetError: Error, Hashable, Sendable, CustomStringConvertible {
    /// It does not end as a Parquet file does.
    case notParquet
    /// Its footer or some of its columns are encrypted: what they say of places can't be read, or is signed.
    case encrypted
    /// Its footer says what can't be; why, in lower case and without a full stop.
    case damaged(String)
    /// It is right, and more than this reads; why, in lower case and without a full stop.
    case unsupported(String)

    package var description: String {
        switch self {
        case .notParquet: "the object is no Parquet file: it does not end with PAR1"
        case .encrypted: "an encrypted Parquet file can't be cut into row groups"
        case .damaged(let reason): "the footer of the Parquet file is damaged: \(reason)"
        case .unsupported(let reason): "the Parquet file can't be cut: \(reason)"
        }
    }
}
