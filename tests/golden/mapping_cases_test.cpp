// Runs the worked cases of layer mappings: tables, transport, and the losses in which a layer chooses for itself.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "golden/loss_case.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/alp_kd.hpp"
#include "limbeck/losses/universal_kd.hpp"
#include "limbeck/mappings/any_mapping.hpp"
#include "limbeck/mappings/transport.hpp"

namespace {

using limbeck::index;
using limbeck::view;
using limbeck_test::loss_case;
using limbeck_test::loss_outcome;
using limbeck_test::tensor;

// --- Tables, by `teacher layers_student layers`, then by mapping; layers count from 1.

template <class Visit>
void for_each_table(const loss_case& c, Visit&& visit) {
  for (const auto& [depths, by_name] : c.json.at("outputs").at("tables").members())
    for (const auto& [name, table] : by_name.members()) visit(depths, name, table);
}

void check_table(const std::string& sizes, const std::string& name, const limbeck::json_value& table) {
  INFO(sizes << " " << name);
  const limbeck::depths d{std::stoul(sizes.substr(sizes.find('_') + 1)), std::stoul(sizes)};
  std::vector<std::vector<std::size_t>> got;  // a list of teacher layers for each student layer
  limbeck::parse_mapping(name)(d, [&](limbeck::layer_pair p) {
    got.resize(std::max(got.size(), p.student + 1));
    got[p.student].push_back(p.teacher + 1);
  });
  if (name == "block") {
    CHECK(got == table.as<std::vector<std::vector<std::size_t>>>());
    return;
  }
  std::vector<std::vector<std::size_t>> want;
  for (const std::size_t layer : table.as<std::vector<std::size_t>>()) want.push_back({layer});
  CHECK(got == want);
}

struct mapping_tables {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    for_each_table(c, check_table);
    return {.value = {}, .grads = {}, .outputs = {}, .compared = true};
  }
};

// --- Transport.

struct transported {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto numbers = [&](const char* key) {
      const auto rounded = c.input(key).as<A>();
      return std::vector<double>(rounded.begin(), rounded.end());
    };
    const auto shape = c.input("cost").shape;
    const limbeck::layer_table cost({static_cast<std::size_t>(shape.at(0)), static_cast<std::size_t>(shape.at(1))},
                                    numbers("cost"));
    const limbeck::layer_weights weights{numbers("student_weight"), numbers("teacher_weight")};
    const auto plan = limbeck::optimal_transport(cost, weights);
    const auto next = limbeck::cost_attention(plan, cost, weights);
    limbeck::layer_table flow(cost.size());
    for (const limbeck::layer_pair& p : plan.pairs) flow(p.student, p.teacher) = p.weight;
    return {{},
            {},
            {{"emd", tensor({}, std::vector<double>{plan.cost})},
             {"flow", tensor(shape, flow.entries())},
             {"next_student_weight", tensor({shape[0]}, next.student)},
             {"next_teacher_weight", tensor({shape[1]}, next.teacher)}}};
  }
};

// --- One student layer [samples, width] and several teacher layers [samples, layers, width], a token a sample.

template <class A, class Loss>
loss_outcome of_several_layers(const loss_case& c, const Loss& loss) {
  const auto shape = c.input("teacher").shape;
  const index samples = shape.at(0), depth = shape.at(1), width = shape.at(2);
  const auto student = c.input("student").as<A>(), teacher = c.input("teacher").as<A>();
  std::vector<A> gradient(student.size()), value(static_cast<std::size_t>(samples));
  std::vector<limbeck::sample_rows> rows;
  for (index i = 0; i < samples; ++i) rows.push_back({i, 1, 1});
  limbeck::signals<const A> mine, theirs;
  mine.rows = theirs.rows = view<const limbeck::sample_rows, 1>(rows.data(), samples);
  mine.hidden = limbeck::per_layer<view<const A, 2>>(1);
  mine.hidden[0] = view<const A, 2>(student.data(), samples, width);
  theirs.hidden = limbeck::per_layer<view<const A, 2>>(static_cast<std::size_t>(depth));
  for (index n = 0; n < depth; ++n)
    theirs.hidden[static_cast<std::size_t>(n)] =
        view<const A, 2>(teacher.data() + n * width, {{samples, width}}, {{depth * width, 1}});
  limbeck::sink<A, limbeck::cpu> out{view<A, 1>(value.data(), samples)};
  out.gradient.hidden = limbeck::per_layer<view<A, 2>>(1);
  out.gradient.hidden[0] = view<A, 2>(gradient.data(), samples, width);
  out.per.samples = static_cast<double>(samples);  // both reductions are means over samples
  loss(limbeck::cpu_executor<>{}, mine, theirs, limbeck::targets<A>{}, out);
  double sum = 0;
  for (const A v : value) sum += static_cast<double>(v);
  return {sum, {{"student", tensor({samples, width}, gradient)}}};
}

struct chosen_states {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    if (c.text("reduction") != "mean_elements") throw std::runtime_error("alp_kd: another reduction");
    return of_several_layers<A>(
        c, limbeck::alp_kd{limbeck::all_layers_mapping{},
                           limbeck::no_projection{},
                           {.scale = c.param("scale"), .attention_grad = c.param("attention_grad", true)}});
  }
};

struct chosen_logits {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    if (c.text("reduction") != "batchmean") throw std::runtime_error("universal_kd: another reduction");
    limbeck::universal_kd<A> loss;
    loss.options = {.temperature = c.param("T"),
                    .t_squared = c.param("t_squared", false),
                    .attention_grad = c.param("attention_grad", false)};
    return of_several_layers<A>(c, loss);
  }
};

const bool mapping_known = limbeck_test::runs_loss("layer_map", mapping_tables{}) &&
                           limbeck_test::runs_loss("emd_layer_mapping", transported{}) &&
                           limbeck_test::runs_loss("alp_kd", chosen_states{}) &&
                           limbeck_test::runs_loss("universal_kd", chosen_logits{});

}  // namespace
