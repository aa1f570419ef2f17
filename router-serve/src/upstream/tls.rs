//! Whom upstreams are believed to be.

use std::path::Path;
use std::sync::Arc;

use router_core::{Error, ErrorKind, Result};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// TLS 1.2 or 1.3 by rustls with ring. Trusted are the certificates of the file at `trusted`, otherwise the public authorities that
/// Mozilla trusts.
///
/// # Errors
/// [`ErrorKind::Io`], [`ErrorKind::Config`] if the file holds no certificates.
pub(crate) fn client(trusted: Option<&Path>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match trusted {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let text = std::fs::read(path).map_err(|source| Error::io(path, source))?;
            let malformed = |what: String| Error::new(ErrorKind::Config, what).in_file(path);
            for certificate in CertificateDer::pem_slice_iter(&text) {
                let certificate = certificate.map_err(|error| malformed(error.to_string()))?;
                roots.add(certificate).map_err(|error| malformed(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(malformed("holds no certificate".to_owned()).help("certificates in PEM"));
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Internal, "TLS is not to be had").caused_by(error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
