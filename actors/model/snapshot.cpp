#include "actors/model/snapshot.hpp"

namespace troupe::model {
namespace {

// A weight-balanced tree (Adams; delta 3, ratio 2 as proved by Hirai and Yamamoto): a subtree is at most three
// times as heavy as its sibling, where an empty one weighs one.
using node_ptr = snapshot::node_ptr;

std::size_t size_of(const node_ptr& at) { return at ? at->size : 0; }
std::size_t weight(const node_ptr& at) { return size_of(at) + 1; }

node_ptr make(document_ptr item, node_ptr left, node_ptr right) {
  auto size = size_of(left) + size_of(right) + 1;
  return std::make_shared<const snapshot::node>(
      snapshot::node{std::move(item), std::move(left), std::move(right), size});
}

node_ptr rotate_left(const document_ptr& item, const node_ptr& left, const node_ptr& right) {
  if (weight(right->left) < 2 * weight(right->right))
    return make(right->item, make(item, left, right->left), right->right);
  const auto& middle = right->left;
  return make(middle->item, make(item, left, middle->left), make(right->item, middle->right, right->right));
}

node_ptr rotate_right(const document_ptr& item, const node_ptr& left, const node_ptr& right) {
  if (weight(left->right) < 2 * weight(left->left))
    return make(left->item, left->left, make(item, left->right, right));
  const auto& middle = left->right;
  return make(middle->item, make(left->item, left->left, middle->left), make(item, middle->right, right));
}

node_ptr balance(const document_ptr& item, node_ptr left, node_ptr right) {
  if (size_of(left) + size_of(right) < 2) return make(item, std::move(left), std::move(right));
  if (weight(right) > 3 * weight(left)) return rotate_left(item, left, right);
  if (weight(left) > 3 * weight(right)) return rotate_right(item, left, right);
  return make(item, std::move(left), std::move(right));
}

node_ptr inserted(const node_ptr& at, document_ptr item) {
  if (!at) return make(std::move(item), nullptr, nullptr);
  auto order = item->key().compare(at->item->key());
  if (order == 0) return make(std::move(item), at->left, at->right);
  if (order < 0) return balance(at->item, inserted(at->left, std::move(item)), at->right);
  return balance(at->item, at->left, inserted(at->right, std::move(item)));
}

/// Without its least object, which goes to `least`.
node_ptr without_least(const node_ptr& at, document_ptr& least) {
  if (!at->left) {
    least = at->item;
    return at->right;
  }
  return balance(at->item, without_least(at->left, least), at->right);
}

node_ptr erased(const node_ptr& at, std::string_view key) {
  auto order = key.compare(at->item->key());
  if (order < 0) return balance(at->item, erased(at->left, key), at->right);
  if (order > 0) return balance(at->item, at->left, erased(at->right, key));
  if (!at->left) return at->right;
  if (!at->right) return at->left;
  document_ptr least;
  auto right = without_least(at->right, least);
  return balance(least, at->left, std::move(right));
}

}  // namespace

snapshot snapshot::insert(document_ptr item) const {
  snapshot out;
  out.root_ = inserted(root_, std::move(item));
  return out;
}

snapshot snapshot::erase(std::string_view key) const {
  if (!find(key)) return *this;
  snapshot out;
  out.root_ = erased(root_, key);
  return out;
}

document_ptr snapshot::find(std::string_view key) const {
  for (auto* at = root_.get(); at;) {
    auto order = key.compare(at->item->key());
    if (order == 0) return at->item;
    at = order < 0 ? at->left.get() : at->right.get();
  }
  return nullptr;
}

std::size_t snapshot::size() const { return size_of(root_); }

std::size_t snapshot::rank(std::string_view key) const {
  std::size_t less = 0;
  for (auto* at = root_.get(); at;) {
    if (at->item->key() < key) {
      less += size_of(at->left) + 1;
      at = at->right.get();
    } else {
      at = at->left.get();
    }
  }
  return less;
}

}  // namespace troupe::model
