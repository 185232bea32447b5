//! TLS as the gate speaks it: version 1.3 only, post-quantum key exchange preferred.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
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

/// Makes the configuration of every handshake.
pub(crate) fn server_config(material: &TlsMaterial) -> Result<Arc<ServerConfig>, GateError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| GateError::Tls { source })?
        .with_no_client_auth()
        .with_cert_resolver(resolver(material)?);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Early data can be replayed; a forecast asked twice is two entries in somebody's budget.
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

fn resolver(material: &TlsMaterial) -> Result<Arc<dyn ResolvesServerCert>, GateError> {
    let chain = CertificateDer::pem_slice_iter(material.cert_chain_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| GateError::Certificate)?;
    if chain.is_empty() {
        return Err(GateError::Certificate);
    }
    // Borrowed, so that the only copy of the key's bytes is the one that wipes itself.
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(material.key_pkcs8.expose()));
    let private_key = |source| GateError::PrivateKey { source };
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(private_key)?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(private_key)?;
    Ok(Arc::new(SingleCertAndKey::from(certified)))
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;
    use twinkeep_vault::SecretBytes;

    use super::{TlsMaterial, server_config};
    use crate::GateError;
    use crate::testing::self_signed;

    #[test]
    fn post_quantum_key_exchange_comes_first_and_nothing_is_older_than_tls_1_3() {
        let config = server_config(&self_signed().0).unwrap();
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
        assert!(matches!(server_config(&mixed), Err(GateError::PrivateKey { .. })));
        let empty =
            TlsMaterial { cert_chain_pem: String::new(), key_pkcs8: SecretBytes::new(vec![1]) };
        assert!(matches!(server_config(&empty), Err(GateError::Certificate)));
    }
}
