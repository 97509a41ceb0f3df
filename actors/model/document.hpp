// An object as everybody who stores, watches or sends it shares it: immutable JSON text with the resourceVersion
// spliced in, and what is asked for often extracted once, as places in that text. Costs its text and some 150 bytes.
// Made once by whoever publishes it; any thread may hold and read it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/model/schema/schema.hpp"
#include "basis/json.hpp"

namespace troupe::model {

using revision_number = std::int64_t;  // as storage::revision

class document;
using document_ptr = std::shared_ptr<const document>;

class document {
 public:
  const schema::kind& kind() const;
  /// The published JSON text, with metadata.resourceVersion.
  std::string_view text() const { return std::string_view(text_).substr(0, size_); }
  /// "namespace/name", or "name" of a cluster-wide kind: what snapshots are ordered by.
  std::string_view key() const { return at(key_); }
  std::string_view name() const { return at(name_); }
  std::string_view ns() const { return at(namespace_); }
  std::string_view uid() const { return at(uid_); }
  /// Revision of its last change; 0 while it is not stored (dry run).
  revision_number modified() const { return modified_; }
  /// Revision of its creation; 0 when unknown.
  revision_number created() const { return created_; }
  /// metadata.deletionTimestamp is set.
  bool deleting() const { return deleting_; }
  bool has_finalizers() const { return finalizers_; }
  /// Labels in the order of their keys.
  std::size_t labels_count() const { return labels_; }
  std::pair<std::string_view, std::string_view> label(std::size_t index) const {
    return {at(places_[2 * index]), at(places_[2 * index + 1])};
  }
  /// Value of the label, or null-data view when it has none.
  std::string_view find_label(std::string_view key) const;
  /// The value of kind().selectables[index] as a field selector compares it; "" when absent.
  std::string_view selectable(std::size_t index) const { return at(places_[2 * labels_ + index]); }
  /// The text as it is stored, without the resourceVersion.
  std::string stored() const;

 private:
  struct place { std::uint32_t at = 0, size = 0; };
  std::string_view at(place where) const { return std::string_view(text_).substr(where.at, where.size); }
  friend struct document_maker;

  std::string text_;  // the published text, then unescaped values and the key
  std::vector<place> places_;
  place key_, name_, namespace_, uid_, version_;
  revision_number created_ = 0, modified_ = 0;
  std::uint32_t size_ = 0;
  std::uint16_t labels_ = 0, kind_ = 0;
  bool deleting_ = false, finalizers_ = false;
};

/// Publishes stored JSON (an object as prepare_create and prepare_update leave it, without resourceVersion; one that is
/// there is replaced). `modified` 0 publishes without a resourceVersion. Fails with corrupt when the text is not a
/// JSON object with metadata.name. A kind that shares another's storage makes a document of that one.
result<document_ptr> make_document(const schema::kind& kind, std::string_view stored, revision_number created,
                                   revision_number modified);
/// The same object at another revision: the last state in a DELETED event.
document_ptr with_revision(const document& from, revision_number modified);
/// Somebody has to know of its end or of its owners' end: it has owners, finalizers or is on its way out. May say yes when
/// its text only speaks of owners.
bool is_bound(const document& of);
/// The object as a value; made anew at each call.
json parse(const document& from);
/// The text as another kind of the same storage serves it (events.k8s.io for v1 events): renamed top-level members.
std::string text_as(const document& from, const schema::kind& served);
/// The same for values, both ways. Nothing happens to kinds that are stored as they are served. Decoding and the rules
/// of writing do this themselves: between them an object has its stored form.
void rename_to_stored(json& object, const schema::kind& served);
void rename_from_stored(json& object, const schema::kind& served);

}  // namespace troupe::model
