// The first byte chooses a kind, the rest is a body: with its envelope as it is, and as a bare message.
#include <cstddef>
#include <cstdint>

#include "actors/apiserver/wire/decode.hpp"
#include "actors/apiserver/wire/protobuf.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe;
  using namespace troupe::apiserver;
  if (size == 0) return 0;
  auto kinds = schema::kinds();
  const auto& kind = kinds[data[0] % kinds.size()];
  std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)decode_body("application/vnd.kubernetes.protobuf", body, kind, "", field_validation::warn);
  if (auto bare = decode_message(body, schema::message_at(kind.message))) {
    std::vector<std::string> unknown;
    (void)conform(*bare, schema::message_at(kind.message), unknown);
  }
  return 0;
}
