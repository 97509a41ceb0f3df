// How one keeper's objects lie in the datastore: as their text, or in an envelope (Secrets). Knows which of them are not
// stored as they would be stored now. Pure; of one keeper alone.
#pragma once
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "actors/model/document.hpp"
#include "actors/model/snapshot.hpp"
#include "basis/rng.hpp"
#include "net/tls/envelope.hpp"
#include "storage/engine.hpp"

namespace troupe::apiserver {

class at_rest {
 public:
  /// Without an envelope everything is stored and read as it is, and nothing is ever stale.
  void use(std::shared_ptr<const net::tls::envelope> by, const model::snapshot& all);

  /// The object that `value` holds. Besides model::make_document's reasons, what was encrypted fails as the envelope says, or
  /// with `corrupt` when it decrypts to something that is not JSON, or to another object than the one of that key: CBC would
  /// let an altered or exchanged value pass. Notes whether it is stale or cannot be read.
  result<model::document_ptr> read(const model::schema::kind& kind, std::string_view key, const bytes& value, model::revision_number created,
                                   model::revision_number modified);
  /// What is stored for this text.
  bytes dress(const bytes& text, entropy& chance) const;
  void forget(std::string_view key);

  std::vector<std::string> next_stale(std::size_t most) const;
  std::size_t stale() const noexcept { return stale_.size(); }
  std::size_t unreadable() const noexcept { return unreadable_.size(); }

 private:
  std::shared_ptr<const net::tls::envelope> by_;
  std::set<std::string, std::less<>> stale_, unreadable_;   ///< Keys without the kind's prefix.
};

}  // namespace troupe::apiserver
