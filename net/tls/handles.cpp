#include "net/tls/handles.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "basis/bytes.hpp"

namespace troupe::net::tls {
namespace {
bio_ptr reader(std::string_view text) { return bio_ptr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }
int no_password(char*, int, int, void*) { return 0; }  // Never ask a terminal.
}  // namespace

std::string openssl_reason() {
  const auto code = ERR_peek_last_error();
  const char* words = ERR_reason_error_string(code);
  ERR_clear_error();
  return words != nullptr ? words : "no reason given";
}

result<std::vector<certificate_ptr>> read_certificates(std::string_view pem) {
  std::vector<certificate_ptr> out;
  const auto from = reader(pem);
  while (X509* one = PEM_read_bio_X509(from.get(), nullptr, no_password, nullptr)) out.emplace_back(one);
  const bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const auto reason = openssl_reason();
  if (!end) return fail(errc::invalid, "a certificate cannot be read: " + reason);
  if (out.empty()) return fail(errc::invalid, "there is no certificate in the PEM text");
  return out;
}

result<key_ptr> read_key(std::string_view pem) {
  const auto from = reader(pem);
  key_ptr out(PEM_read_bio_PrivateKey(from.get(), nullptr, no_password, nullptr));
  if (!out) return fail(errc::invalid, "a private key cannot be read: " + openssl_reason());
  return out;
}

result<key_ptr> read_public_key(std::string_view pem) {
  const auto from = reader(pem);
  key_ptr out(PEM_read_bio_PUBKEY(from.get(), nullptr, no_password, nullptr));
  if (!out) return fail(errc::invalid, "a public key cannot be read: " + openssl_reason());
  return out;
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string public_pem(EVP_PKEY* key) {
  const bio_ptr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(out.get(), key);
  return text_of(out.get());
}

std::string serial_hex(const X509* of) {
  const ASN1_INTEGER* serial = X509_get0_serialNumber(of);
  const auto raw = std::string(reinterpret_cast<const char*>(serial->data), static_cast<std::size_t>(serial->length));
  return raw.empty() ? "00" : to_hex(raw);
}

wall_time time_of(const ASN1_TIME* at) {
  std::tm parts{};
  ASN1_TIME_to_tm(at, &parts);
  return wall_time(std::chrono::seconds(::timegm(&parts)));
}

void read_subject(const X509* from, peer_identity& into) {
  const X509_NAME* subject = X509_get_subject_name(from);
  const auto text = [](const X509_NAME_ENTRY* entry) {
    unsigned char* raw = nullptr;
    const int size = ASN1_STRING_to_UTF8(&raw, X509_NAME_ENTRY_get_data(entry));
    std::string out;
    if (size > 0) out.assign(reinterpret_cast<const char*>(raw), static_cast<std::size_t>(size));
    OPENSSL_free(raw);
    return out;
  };
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const int kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (kind == NID_commonName && into.common_name.empty()) into.common_name = text(entry);
    if (kind == NID_organizationName) into.organizations.push_back(text(entry));
  }
  into.serial = serial_hex(from);
}

}  // namespace troupe::net::tls
