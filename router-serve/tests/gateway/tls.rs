//! Upstreams behind TLS: whom the gateway believes, and what those it does not believe get to see.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::StatusCode;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::mock::{Behavior, Mock, words};
use crate::world::{SUM, run, three};

/// An authority of its own.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    path: PathBuf,
}

impl Authority {
    fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let path = directory.join(name);
        std::fs::write(&path, issuer.pem()).unwrap();
        Self { issuer, path }
    }

    /// Puts TLS in front of `mock`, with a certificate for `name` until `year`. The base address, by the name `localhost`.
    async fn in_front_of(&self, mock: &Mock, name: &str, year: i32) -> String {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        let (acceptor, port) = (TlsAcceptor::from(Arc::new(config)), mock.port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not believe the certificate ends it here.
                    let Ok(mut outside) = acceptor.accept(stream).await else { return };
                    let mut inside = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        format!("https://localhost:{}/v1", address.port())
    }
}

#[tokio::test]
async fn an_upstream_is_asked_by_tls_and_only_if_it_proves_who_it_is() {
    let directory = TempDir::new().unwrap();
    let (ours, theirs) = (Authority::new(directory.path(), "ours.pem"), Authority::new(directory.path(), "theirs.pem"));
    let mock = Mock::start(&[Behavior::Answer(3)]).await;
    let trusting = |authority: &Authority| format!("trusted_certificates = {:?}", authority.path.display().to_string());
    let sound = ours.in_front_of(&mock, "localhost", 4000).await;

    let running = run(&three([&sound, &sound, &sound], &trusting(&ours))).await;
    for fields in [json!({}), json!({ "stream": true })] {
        let answer = running.client.chat("auto", SUM, fields).await;
        assert_eq!((answer.status, answer.content()), (StatusCode::OK, words(3)), "{}", answer.text);
    }
    assert_eq!(mock.seen().len(), 2);

    let of_other_name = ours.in_front_of(&mock, "elsewhere.example", 4000).await;
    let expired = ours.in_front_of(&mock, "localhost", 2001).await;
    for (what, base, trusted) in [
        ("by an authority that is not trusted", &sound, trusting(&theirs)),
        ("by an authority that is not public", &sound, String::new()),
        ("for another name", &of_other_name, trusting(&ours)),
        ("that has run out", &expired, trusting(&ours)),
    ] {
        let running = run(&three([base, base, base], &trusted)).await;
        let answer = running.client.chat("auto", SUM, json!({})).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_GATEWAY, "upstream_failed".to_owned()), "{what}");
        assert!(answer.text.contains("certificate"), "{what}: {}", answer.text);
    }
    let seen = mock.seen();
    assert!(seen.iter().all(|seen| seen.body.is_object()) && seen.len() == 2, "a request went to somebody unknown");
}
