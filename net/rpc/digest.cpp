#include "net/rpc/digest.hpp"

#include <openssl/evp.h>

#include "basis/check.hpp"

namespace troupe::net::rpc {

struct digest::state {
  struct freeing {
    void operator()(EVP_MD_CTX* what) const { EVP_MD_CTX_free(what); }
  };
  std::unique_ptr<EVP_MD_CTX, freeing> context{EVP_MD_CTX_new()};
};

digest::digest() : state_(std::make_unique<state>()) {
  CHECK_THAT(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1);
}
digest::~digest() = default;

void digest::add(std::string_view piece) {
  CHECK_THAT(EVP_DigestUpdate(state_->context.get(), piece.data(), piece.size()) == 1);
}

std::string digest::finish() {
  std::string out(32, '\0');
  unsigned size = 0;
  CHECK_THAT(EVP_DigestFinal_ex(state_->context.get(), reinterpret_cast<unsigned char*>(out.data()), &size) == 1);
  return out;
}

}  // namespace troupe::net::rpc
