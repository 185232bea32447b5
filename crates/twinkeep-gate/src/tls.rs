//! TLS as the gate speaks it: version 1.3 only, post-quantum key exchange preferred.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, PeerIncompatible, ServerConfig,
    SignatureScheme,
};
use serde::{Deserialize, Serialize};
use twinkeep_app::ClientCertificateMode;
use twinkeep_vault::SecretBytes;

use crate::GateError;

/// What the server proves itself with.
#[derive(Debug)]
pub struct TlsMaterial {
    /// The server's certificate and those that lead to its root, leaf first, as PEM.
    pub cert_chain_pem: String,
    /// The private key of the leaf, as PKCS#8 DER.
    pub key_pkcs8: SecretBytes,
}

/// Whether the handshake asks clients for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientCertificates {
    /// No: a browser would ask its user which one to show.
    NotAsked,
    /// Yes, and a client that has none may come in without.
    Asked,
    /// Yes, and a client that has none does not get a connection.
    Required,
}

impl From<ClientCertificateMode> for ClientCertificates {
    fn from(mode: ClientCertificateMode) -> Self {
        match mode {
            ClientCertificateMode::Off => Self::NotAsked,
            ClientCertificateMode::Asked => Self::Asked,
            ClientCertificateMode::Required => Self::Required,
        }
    }
}

/// Makes sure that a client holds the private key of the certificate that it shows.
///
/// Who issued it, and whether it was revoked, is not judged here but for each request, by the
/// process that has the keep: so a revocation holds for connections that are open, too.
#[derive(Debug)]
struct Possession {
    provider: Arc<CryptoProvider>,
    required: bool,
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let size = intermediates.iter().fold(end_entity.len(), |size, next| size + next.len());
        if CLIENT_CHAIN_SIZE_MAX < size {
            return Err(CertificateError::BadEncoding.into());
        }
        ParsedCertificate::try_from(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Makes the configuration of every handshake; tests change nothing later.
#[cfg(test)]
pub(crate) fn server_config(
    material: &TlsMaterial,
    client_certificates: ClientCertificates,
) -> Result<Arc<ServerConfig>, GateError> {
    let key = signing_key(material)?;
    config(Identities::new(certified(&material.cert_chain_pem, key)?), client_certificates)
}

/// The same, with whatever proves the server's name.
pub(crate) fn config(
    identities: Arc<dyn ResolvesServerCert>,
    client_certificates: ClientCertificates,
) -> Result<Arc<ServerConfig>, GateError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| GateError::Tls { source })?;
    let builder = match client_certificates {
        ClientCertificates::NotAsked => builder.with_no_client_auth(),
        ClientCertificates::Asked | ClientCertificates::Required => {
            let required = client_certificates == ClientCertificates::Required;
            builder.with_client_cert_verifier(Arc::new(Possession { provider, required }))
        }
    };
    let mut config = builder.with_cert_resolver(identities);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Early data can be replayed; a forecast asked twice is two entries in somebody's budget.
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Who the server is in the handshakes that begin now.
#[derive(Debug)]
pub(crate) struct Identities(RwLock<Arc<CertifiedKey>>);

impl Identities {
    pub(crate) fn new(identity: CertifiedKey) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(identity))))
    }

    /// Changes it; connections that are open stay.
    pub(crate) fn replace(&self, identity: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A certificate chain, and a key that may be elsewhere.
pub(crate) fn certified(
    chain_pem: &str,
    key: Arc<dyn SigningKey>,
) -> Result<CertifiedKey, GateError> {
    Ok(CertifiedKey::new(chain(chain_pem)?, key))
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, GateError> {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| GateError::Certificate)?;
    if chain.is_empty() { Err(GateError::Certificate) } else { Ok(chain) }
}

/// Takes the private key, if it belongs to the certificate.
pub(crate) fn signing_key(material: &TlsMaterial) -> Result<Arc<dyn SigningKey>, GateError> {
    let chain = chain(&material.cert_chain_pem)?;
    // Borrowed, so that the only copy of the key's bytes is the one that wipes itself.
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(material.key_pkcs8.expose()));
    let private_key = |source| GateError::PrivateKey { source };
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(private_key)?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(private_key)?;
    Ok(certified.key)
}

/// Three certificates of 2 KiB each; it goes along with every request of the connection.
const CLIENT_CHAIN_SIZE_MAX: usize = 6 * 1024;

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;
    use twinkeep_vault::SecretBytes;

    use super::ClientCertificates::NotAsked;
    use super::{TlsMaterial, server_config};
    use crate::GateError;
    use crate::testing::self_signed;

    #[test]
    fn post_quantum_key_exchange_comes_first_and_nothing_is_older_than_tls_1_3() {
        let config = server_config(&self_signed().0, NotAsked).unwrap();
        let groups = &config.crypto_provider().kx_groups;
        assert_eq!(groups[0].name(), NamedGroup::X25519MLKEM768);
        assert_eq!(config.max_early_data_size, 0);
        assert_eq!(config.alpn_protocols, [&b"h2"[..], b"http/1.1"]);
    }

    #[test]
    fn a_key_that_does_not_belong_to_the_certificate_is_refused() {
        let (one, _) = self_signed();
        let (other, _) = self_signed();
        let mixed = TlsMaterial { cert_chain_pem: one.cert_chain_pem, key_pkcs8: other.key_pkcs8 };
        assert!(matches!(server_config(&mixed, NotAsked), Err(GateError::PrivateKey { .. })));
        let empty =
            TlsMaterial { cert_chain_pem: String::new(), key_pkcs8: SecretBytes::new(vec![1]) };
        assert!(matches!(server_config(&empty, NotAsked), Err(GateError::Certificate)));
    }
}
