// Label and field selectors: parsed once per request, matched against documents. Grammar and limits are those of
// Kubernetes 1.33 (labels.Parse, fields.ParseSelector); notes of errors are shown to the client as they are.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "actors/model/document.hpp"
#include "basis/result.hpp"

namespace troupe::model {

inline constexpr std::size_t selector_bytes_max = 65536;
inline constexpr std::size_t selector_terms_max = 1000;

/// `a=b,c in (d,e),!f,g>1`: all terms must hold. Without terms it matches everything.
class label_selector {
 public:
  enum class test : std::uint8_t { in, not_in, exists, absent, greater, less };
  struct term {
    std::string key;
    test how = test::exists;
    std::vector<std::string> values;  ///< Sorted.
    std::int64_t bound = 0;           ///< For greater and less.
  };
  bool matches(const document& item) const;
  bool empty() const { return terms.empty(); }
  std::vector<term> terms;
};
/// `invalid` with upstream's words.
result<label_selector> parse_label_selector(std::string_view text);

/// `metadata.name=x,status.phase!=Running`: all terms must hold.
class field_selector {
 public:
  enum class subject : std::uint8_t { name, ns, selectable };
  struct term {
    subject what = subject::name;
    std::size_t index = 0;  ///< Of kind().selectables.
    bool equal = true;
    std::string value;
    std::string label;      ///< As written.
  };
  bool matches(const document& item) const;
  bool empty() const { return terms.empty(); }
  /// The one name that objects must have, or "".
  std::string_view required_name() const;
  /// The value that `label` must have (`spec.nodeName`), or a view without data.
  std::string_view required(std::string_view label) const;
  std::vector<term> terms;
};
/// `invalid` for bad syntax and for fields that `kind` does not offer ("field label not supported: x").
result<field_selector> parse_field_selector(const schema::kind& kind, std::string_view text);

/// Whether a label's key ("example.com/name", "name") or value is well formed; "" or the reason.
std::string label_key_problem(std::string_view key);
std::string label_value_problem(std::string_view value);

}  // namespace troupe::model
