#include "net/tls/sealing.hpp"

#include <openssl/evp.h>

#include <memory>

#include "basis/bytes.hpp"
#include "basis/check.hpp"

namespace troupe::net::tls {
namespace {

constexpr int rounds = 4096;
constexpr std::size_t tag_bytes = 16, key_bytes = 32;

struct free_cipher {
  void operator()(EVP_CIPHER_CTX* what) const { EVP_CIPHER_CTX_free(what); }
};
using cipher_ptr = std::unique_ptr<EVP_CIPHER_CTX, free_cipher>;

const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string key_of(const secret_text& password, std::string_view salt_text) {
  std::string out(key_bytes, '\0');
  const auto given = password.reveal();
  CHECK_THAT(PKCS5_PBKDF2_HMAC(given.data(), static_cast<int>(given.size()), raw(salt_text), static_cast<int>(salt_text.size()), rounds,
                               EVP_sha1(), static_cast<int>(out.size()), reinterpret_cast<unsigned char*>(out.data())) == 1);
  return out;
}

}  // namespace

result<std::string> seal(const secret_text& password, std::string_view plain, std::string_view salt, std::string_view nonce) {
  if (password.empty()) return fail(errc::invalid, "nothing is encrypted under an empty secret");
  CHECK_THAT(salt.size() == sealing_salt_bytes && nonce.size() == sealing_nonce_bytes);
  const auto salt_text = to_hex(salt);
  const auto key = key_of(password, salt_text);
  const cipher_ptr cipher(EVP_CIPHER_CTX_new());
  std::string out(nonce);
  out.resize(nonce.size() + plain.size() + tag_bytes);
  auto* to = reinterpret_cast<unsigned char*>(out.data()) + nonce.size();
  int n = 0, rest = 0;
  CHECK_THAT(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, raw(key), raw(nonce)) == 1);
  CHECK_THAT(EVP_EncryptUpdate(cipher.get(), to, &n, raw(plain), static_cast<int>(plain.size())) == 1);
  CHECK_THAT(EVP_EncryptFinal_ex(cipher.get(), to + n, &rest) == 1);
  CHECK_THAT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, to + plain.size()) == 1);
  return salt_text + ":" + to_base64(out);
}

result<std::string> unseal(const secret_text& password, std::string_view sealed) {
  if (password.empty()) return fail(errc::invalid, "nothing is decrypted under an empty secret");
  const auto colon = sealed.find(':');
  std::string data;
  if (colon != 2 * sealing_salt_bytes || !from_base64(sealed.substr(colon + 1), data) || data.size() < sealing_nonce_bytes + tag_bytes)
    return fail(errc::invalid, "this is not encrypted bootstrap data");
  const auto key = key_of(password, sealed.substr(0, colon));
  const cipher_ptr cipher(EVP_CIPHER_CTX_new());
  const auto body = std::string_view(data).substr(sealing_nonce_bytes, data.size() - sealing_nonce_bytes - tag_bytes);
  std::string tag = data.substr(data.size() - tag_bytes);
  std::string out(body.size(), '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  int n = 0, rest = 0;
  const bool right = EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, raw(key), raw(data)) == 1 &&
                     EVP_DecryptUpdate(cipher.get(), to, &n, raw(body), static_cast<int>(body.size())) == 1 &&
                     EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()) == 1 &&
                     EVP_DecryptFinal_ex(cipher.get(), to + n, &rest) == 1;
  if (!right) return fail(errc::untrusted, "the data is encrypted under another token, or was altered");
  return out;
}

}  // namespace troupe::net::tls
