// All objects of one kind at one moment: an ordered map from document::key() to document. A change makes a new
// snapshot that shares all but a path of nodes with the old one, so holding one costs nothing and any thread may
// read it. Copying a snapshot copies one pointer.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "actors/model/document.hpp"

namespace troupe::model {

class snapshot {
 public:
  /// With `item` instead of what had its key. O(log n).
  [[nodiscard]] snapshot insert(document_ptr item) const;
  /// Without the object of that key; the same snapshot when there is none. O(log n).
  [[nodiscard]] snapshot erase(std::string_view key) const;
  /// Null when there is none.
  document_ptr find(std::string_view key) const;
  std::size_t size() const;
  bool empty() const { return !root_; }
  /// How many keys are less than `key`. O(log n).
  std::size_t rank(std::string_view key) const;

  /// Calls visit(const document_ptr&) for every object whose key is not less than `from`, in order of keys,
  /// until it returns false.
  template <class Visit>
  void each(std::string_view from, Visit&& visit) const { walk(root_.get(), from, visit); }

  struct node {
    document_ptr item;
    std::shared_ptr<const node> left, right;
    std::size_t size = 1;
  };
  using node_ptr = std::shared_ptr<const node>;

 private:
  template <class Visit>
  static bool walk(const node* at, std::string_view from, Visit& visit) {
    if (!at) return true;
    if (at->item->key() < from) return walk(at->right.get(), from, visit);
    return walk(at->left.get(), from, visit) && visit(at->item) && walk(at->right.get(), {}, visit);
  }
  node_ptr root_;
};

}  // namespace troupe::model
