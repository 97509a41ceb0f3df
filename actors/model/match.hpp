// A LabelSelector as objects carry it ({matchLabels, matchExpressions}), for those who compute with objects: controllers,
// the scheduler, validation. Pure values. Queries have another grammar: selector.hpp.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "basis/json.hpp"

namespace troupe::model {

class label_match {
 public:
  enum class test : std::uint8_t { in, not_in, exists, absent };
  struct term {
    std::string key;
    test how = test::in;
    std::vector<std::string> values;  ///< Sorted.
  };
  /// Reads a LabelSelector. One that is absent (null) matches nothing, an empty one everything, as upstream's. An operator
  /// that is unknown, or values where none belong, match nothing: whoever stores selectors has checked them (problem()).
  static label_match of(const json& selector);
  /// Reads a plain map of labels (of a ReplicationController or a Service); an empty one matches nothing.
  static label_match of_map(const json& labels);

  /// Whether an object with these labels (an object of texts, or null) is meant.
  bool matches(const json& labels) const;
  /// Without terms: means everything, unless it means nothing.
  bool empty() const { return terms_.empty(); }
  bool nothing() const { return nothing_; }
  /// "a=b,c in (d,e),!f", sorted by key; "" without terms.
  std::string text() const;

 private:
  std::vector<term> terms_;
  bool nothing_ = false;
};

/// "" or why a LabelSelector is malformed, with the place below it ("matchExpressions[0].operator") in `where`.
std::string label_match_problem(const json& selector, std::string& where);

}  // namespace troupe::model
