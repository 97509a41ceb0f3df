// The first byte chooses the kind of patch, the rest is its body: it applies to a pod or is refused.
#include <cstddef>
#include <cstdint>

#include "actors/apiserver/patch/patch.hpp"
#include "actors/apiserver/resources/rules/write.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe;
  using namespace troupe::apiserver;
  static const auto& pods = *schema::find("", "v1", "pods");
  static const json old = *parse_json(
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"finalizers":["a/b"],"labels":{"a":"b"},"name":"p","namespace":"d",)"
      R"("resourceVersion":"5"},"spec":{"containers":[{"image":"x","name":"a"},{"image":"y","name":"b"}],)"
      R"("volumes":[{"emptyDir":{},"name":"v"}]}})");
  if (size == 0) return 0;
  static constexpr const char* types[] = {"application/json-patch+json", "application/merge-patch+json",
                                          "application/strategic-merge-patch+json"};
  write_context ctx;
  ctx.ns = "d";
  std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto patched = apply_patch(pods, types[data[0] % 3], old, body, ctx);
  if (auto* next = std::get_if<prepared>(&patched)) (void)prepare_update(pods, old, std::move(next->object), "", ctx);
  return 0;
}
