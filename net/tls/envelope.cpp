#include "net/tls/envelope.hpp"

#include <openssl/evp.h>

#include <memory>

#include "basis/check.hpp"

namespace troupe::net::tls {
namespace {

constexpr std::string_view any_form = "k8s:enc:", our_form = "k8s:enc:aescbc:v1:";
constexpr std::size_t block_bytes = 16;

struct free_cipher {
  void operator()(EVP_CIPHER_CTX* what) const { EVP_CIPHER_CTX_free(what); }
};
using cipher_ptr = std::unique_ptr<EVP_CIPHER_CTX, free_cipher>;

const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
std::string prefix_of(const named_key& key) { return std::string(our_form) + key.name + ":"; }

/// False when the padding is wrong: another key, or altered bytes.
bool decrypt(const secret_text& key, std::string_view data, std::string& out) {
  if (data.size() < envelope_iv_bytes + block_bytes || data.size() % block_bytes != 0) return false;
  const auto body = data.substr(envelope_iv_bytes);
  out.assign(body.size() + block_bytes, '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  int n = 0, rest = 0;
  const cipher_ptr cipher(EVP_CIPHER_CTX_new());
  const bool right = EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_cbc(), nullptr, raw(key.reveal()), raw(data)) == 1 &&
                     EVP_DecryptUpdate(cipher.get(), to, &n, raw(body), static_cast<int>(body.size())) == 1 &&
                     EVP_DecryptFinal_ex(cipher.get(), to + n, &rest) == 1;
  out.resize(right ? static_cast<std::size_t>(n + rest) : 0);
  return right;
}

}  // namespace

envelope::envelope(std::vector<named_key> keys, bool writes_plain) : keys_(std::move(keys)), plain_(writes_plain) {
  CHECK_THAT(plain_ || !keys_.empty());
  for (const auto& key : keys_) CHECK_THAT(key.key.reveal().size() == envelope_key_bytes);
}

bool envelope::writes_as(const envelope& other) const {
  if (plain_ || other.plain_) return plain_ == other.plain_;
  return keys_.front().name == other.keys_.front().name && keys_.front().key == other.keys_.front().key;
}

std::string envelope::close(std::string_view plain, std::string_view iv) const {
  if (plain_) return std::string(plain);
  CHECK_THAT(iv.size() == envelope_iv_bytes);
  const auto& key = keys_.front();
  std::string out = prefix_of(key).append(iv);
  const auto at = out.size();
  out.resize(at + plain.size() + block_bytes);
  auto* to = reinterpret_cast<unsigned char*>(out.data()) + at;
  int n = 0, rest = 0;
  const cipher_ptr cipher(EVP_CIPHER_CTX_new());
  CHECK_THAT(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_cbc(), nullptr, raw(key.key.reveal()), raw(iv)) == 1);
  CHECK_THAT(EVP_EncryptUpdate(cipher.get(), to, &n, raw(plain), static_cast<int>(plain.size())) == 1);
  CHECK_THAT(EVP_EncryptFinal_ex(cipher.get(), to + n, &rest) == 1);
  out.resize(at + static_cast<std::size_t>(n + rest));
  return out;
}

result<envelope::opened> envelope::open(std::string_view stored) const {
  if (!stored.starts_with(any_form)) return opened{std::string(stored), plain_, true};
  // Names may hold colons, so one key's prefix may begin with another's: every one that fits is tried.
  bool known = false;
  for (const auto& key : keys_) {
    const auto prefix = prefix_of(key);
    if (!stored.starts_with(prefix)) continue;
    known = true;
    opened out;
    out.current = !plain_ && &key == &keys_.front();
    if (decrypt(key.key, stored.substr(prefix.size()), out.plain)) return out;
  }
  if (known) return fail(errc::untrusted, "it does not decrypt under the key that it names: it was altered, or the key was replaced");
  return fail(errc::untrusted, "it is encrypted in a way, or under a key, that is not in this server's encryption-config.json");
}

}  // namespace troupe::net::tls
