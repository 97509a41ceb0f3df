// What the controllers know: the newest seen of every object of the kinds they follow, by kind (its plural) and key, with its
// dependents. Fed by reflectors and by the answers to their own writes, so that a watch that lags makes nobody do a thing
// twice. Values without clock or actor; owned by the workshop.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "basis/json.hpp"

namespace troupe::controllers {

using object_ptr = std::shared_ptr<const json>;
using object_ref = std::pair<std::string, std::string>;   ///< Plural, "namespace/name".

class store {
 public:
  /// False when it is older than what is known, or of an object whose end is known.
  bool put(const std::string& plural, const std::string& key, object_ptr object);
  /// The object is gone; what was known last, or null. `told`: a watch says so, else the answer to a deletion (the uid is then
  /// remembered until the watch has said it, too).
  object_ptr drop(const std::string& plural, const std::string& key, const std::string& uid, bool told);

  /// Null when there is none.
  object_ptr find(const std::string& plural, const std::string& key) const;
  const std::map<std::string, object_ptr>& all(const std::string& plural) const;
  /// Objects of a namespace, in order of keys: visit(key, object).
  template <class Visit>
  void within(const std::string& plural, const std::string& ns, Visit&& visit) const {
    const auto prefix = ns + "/";
    const auto& kind = all(plural);
    for (auto it = kind.lower_bound(prefix); it != kind.end() && it->first.starts_with(prefix); ++it) visit(it->first, it->second);
  }
  /// Objects that name this uid among their owners.
  const std::set<object_ref>& dependents(const std::string& uid) const;
  /// Objects of the kind in the namespace that no controller owns.
  std::vector<object_ptr> orphans(const std::string& plural, const std::string& ns) const;
  /// The object that has this uid.
  std::optional<object_ref> find_uid(const std::string& uid) const;

 private:
  static constexpr std::size_t ended_max = 20000;   ///< Uids remembered as ended; more and all are forgotten.
  void index(const std::string& plural, const std::string& key, const json& object, bool add);
  std::map<std::string, std::map<std::string, object_ptr>> kinds_;
  std::map<std::string, std::set<object_ref>> dependents_;
  std::map<std::string, object_ref> uids_;
  std::map<std::string, std::set<std::string>> orphans_;
  std::set<std::string> ended_;
};

/// metadata.NAME as text.
std::string meta(const json& object, const char* name);
/// "namespace/name" or "name".
std::string key_of(const json& object);
std::string uid_of(const json& object);
/// The owner that controls it, or null JSON.
const json& controller_of(const json& object);
bool is_going(const json& object);
bool has_finalizer(const json& object, std::string_view name);
std::int64_t number(const json& value, std::int64_t otherwise = 0);
/// The path of a collection ("" for the cluster's) and of an object, by plural.
std::string collection_path(const std::string& plural, const std::string& ns);
std::string object_path(const std::string& plural, const json& object);
/// An owner reference to `owner`, as its controller, blocking foreground deletion.
json controller_reference(const json& owner);

}  // namespace troupe::controllers
