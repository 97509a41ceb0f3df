// Selectors are the clients' free text: any bytes parse or are refused, and what parses can be matched.
#include <cstddef>
#include <cstdint>

#include "actors/model/selector.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::model;
  static const auto& pods = *schema::find("", "v1", "pods");
  static const auto item = *make_document(
      pods, R"({"metadata":{"labels":{"app":"web","n":"5"},"name":"p","namespace":"d"},"spec":{"nodeName":"n1"}})", 1,
      2);
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto labels = parse_label_selector(text)) (void)labels->matches(*item);
  if (auto fields = parse_field_selector(pods, text)) (void)fields->matches(*item);
  return 0;
}
