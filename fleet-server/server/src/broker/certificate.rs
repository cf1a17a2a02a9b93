//! Who a connection is: the common name of the certificate it proved to hold.

use dunlin_protocol::DeviceId;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The device that a verified client certificate names.
///
/// # Errors
/// One sentence, if it names none.
pub(super) fn device(certificate: &CertificateDer<'_>) -> Result<DeviceId, String> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|error| format!("its certificate cannot be read: {error}"))?;
    let mut names = parsed.subject().iter_common_name();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err("its certificate does not have exactly one common name".into());
    };
    let name = name.as_str().map_err(|error| format!("its common name is not text: {error}"))?;
    name.parse().map_err(|error| format!("its common name is no device: {error}"))
}
