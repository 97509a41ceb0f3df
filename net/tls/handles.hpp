// Owners for OpenSSL's objects, and reading PEM into them. Inside net/tls only.
#pragma once
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "basis/result.hpp"
#include "net/stream.hpp"

namespace troupe::net::tls {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* what) const { Free(what); }
};
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using request_ptr = std::unique_ptr<X509_REQ, freed_by<X509_REQ_free>>;
using context_ptr = std::unique_ptr<SSL_CTX, freed_by<SSL_CTX_free>>;
using ssl_ptr = std::unique_ptr<SSL, freed_by<SSL_free>>;

/// All certificates of a PEM bundle in order; invalid when it has none or one cannot be read.
result<std::vector<certificate_ptr>> read_certificates(std::string_view pem);
/// A private key of any PEM form; invalid (without a word of its text) when it cannot be read.
result<key_ptr> read_key(std::string_view pem);
/// A "PUBLIC KEY" block.
result<key_ptr> read_public_key(std::string_view pem);
std::string text_of(BIO* memory);
std::string public_pem(EVP_PKEY* key);
/// First common name, all organizations, serial.
void read_subject(const X509* from, peer_identity& into);
std::string serial_hex(const X509* of);
/// To the second; the epoch when it cannot be read.
wall_time time_of(const ASN1_TIME* at);
/// The newest reason OpenSSL gives, and forgets all of them.
std::string openssl_reason();

}  // namespace troupe::net::tls
