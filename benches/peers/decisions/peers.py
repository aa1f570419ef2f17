"""The routers of llmrouter-lib and routellm, their own code on embeddings that are at hand.

Both packages embed the text within the call that decides, by a Longformer and by a request to a service, and llmrouter-lib asks the chosen model within its
batch. Here a dictionary stands in for the encoders and nothing for the model, so that what is timed is their decision alone. Modules are read by their files, as
the packages import far more than these routers need.
"""

import importlib.util
import sys
import types

import numpy
import torch
from sklearn.neighbors import KNeighborsClassifier


class Encoder:
    """Gives the embedding of a text that was noted before."""

    def __init__(self, embeddings):
        self.as_arrays = {str(row): embedding for row, embedding in enumerate(embeddings)}
        self.as_tensors = {text: torch.from_numpy(embedding) for text, embedding in self.as_arrays.items()}


def module(package, file, name):
    """The module of `package` in `file`, under `name`."""
    place = importlib.util.find_spec(package).submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location(name, f"{place}/{file}")
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


def stand_in(name, **members):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)


class LlmRouter:
    """A router of llmrouter-lib. `read` is called for the trained model in every call, as the package reads its file."""

    def __init__(self, encoder, kind, read):
        stand_in("llmrouter.models", __path__=[])
        stand_in("llmrouter.models.meta_router", MetaRouter=torch.nn.Module)
        stand_in(
            "llmrouter.utils",
            load_model=lambda path: read(), save_model=None, get_longformer_embedding=lambda text: encoder.as_tensors[text],
            call_api=lambda request, **options: {"response": ""}, generate_task_query=None, calculate_task_performance=None)
        file, name = {
            "knn": ("models/knnrouter/router.py", "KNNRouter"),
            "mlp": ("models/mlprouter/router.py", "MLPRouter"),
            "mf": ("models/mfrouter/router.py", "MFRouter"),
        }[kind]
        self.code = module("llmrouter", file, f"llmrouter.models.{kind}")
        self.router = getattr(self.code, name).__new__(getattr(self.code, name))
        torch.nn.Module.__init__(self.router)
        self.router.cfg = {"model_path": {"load_model_path": "model"}, "api_endpoint": "none"}

    def single(self, text):
        return int(self.router.route_single({"query": text})["model_name"])

    def batch(self, texts):
        return [int(row["model_name"]) for row in self.router.route_batch([{"query": text} for text in texts])]


def best_model(quality):
    return quality.argmax(axis=1)


def knn(encoder, x, quality, read_file):
    """k = 5 as its example, brute force as scikit-learn chooses for 384 dimensions."""
    model = KNeighborsClassifier(n_neighbors=5).fit(x, best_model(quality))
    router = LlmRouter(encoder, "knn", read_file(model))
    return router, lambda asked: model.predict(asked)


def train(parameters, steps, loss_of, rate=0.001):
    optimizer = torch.optim.Adam(parameters, lr=rate)
    for step in range(steps):
        optimizer.zero_grad()
        loss_of(step).backward()
        optimizer.step()


def mlp(encoder, x, quality, read_file):
    """Hidden layers of 128 and 64 as its example, trained to name the best model as it does, by 30 epochs of 64."""
    router = LlmRouter(encoder, "mlp", None)
    m = quality.shape[1]
    net = router.code.MLPClassifierNN(x.shape[1], [128, 64], m)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(best_model(quality))
    draw = torch.Generator().manual_seed(0)

    def loss(step):
        rows = torch.randint(0, len(inputs), (64,), generator=draw)
        return torch.nn.functional.cross_entropy(net(inputs[rows]), targets[rows])

    train(net.parameters(), 30 * len(x) // 64, loss)
    read = read_file(net.state_dict())
    sys.modules["llmrouter.utils"].load_model = router.code.load_model = lambda path: read()
    router.router.hparam = {"hidden_layer_sizes": [128, 64], "activation": "relu"}
    router.router.input_dim, router.router.num_classes = x.shape[1], m
    router.router.idx_to_model = {at: str(at) for at in range(m)}
    return router, lambda asked: net.predict(torch.from_numpy(asked)).numpy()


def mf(encoder, x, quality, read_file):
    """128 dimensions as its example, the best model against every other, 10 epochs of 256 prompts."""
    router = LlmRouter(encoder, "mf", None)
    m = quality.shape[1]
    net = router.code.BilinearMF(128, m, x.shape[1])
    inputs, winners = torch.from_numpy(x), torch.from_numpy(best_model(quality))
    draw = torch.Generator().manual_seed(0)

    def loss(step):
        rows = torch.randint(0, len(inputs), (256,), generator=draw)
        losers = torch.randint(0, m, (256,), generator=draw)
        logits = net(winners[rows], losers, net.project_text(inputs[rows]))
        return torch.nn.functional.softplus(-logits)[losers != winners[rows]].mean()

    train(net.parameters(), 10 * m * len(x) // 256, loss)
    read = read_file(net.state_dict())
    sys.modules["llmrouter.utils"].load_model = router.code.load_model = lambda path: read()
    router.router.dim, router.router.text_dim = 128, x.shape[1]
    router.router.model_to_idx = {str(at): at for at in range(m)}
    router.router.idx_to_model = {at: str(at) for at in range(m)}

    def kernel(asked):
        with torch.no_grad():
            vectors = torch.nn.functional.normalize(net.P.weight, dim=1) * net.classifier.weight
            return (net.text_proj(torch.from_numpy(asked)) @ vectors.T).argmax(dim=1).numpy()

    return router, kernel


class RouteLlm:
    """Its `mf`: how often one of two models, the best and the cheapest on average, would win; it goes to the first from a half on."""

    def __init__(self, encoder, x, quality):
        class Embeddings:
            def create(self, input, model):
                return types.SimpleNamespace(data=[types.SimpleNamespace(embedding=encoder.as_arrays[input[0]])])

        client = types.SimpleNamespace(embeddings=Embeddings())
        stand_in("routellm.routers", __path__=[])
        stand_in("routellm.routers.similarity_weighted", __path__=[])
        stand_in("routellm.routers.similarity_weighted.utils", OPENAI_CLIENT=client)
        if importlib.util.find_spec("huggingface_hub") is None:
            stand_in("huggingface_hub", PyTorchModelHubMixin=object)
        code = module("routellm", "routers/matrix_factorization/model.py", "routellm_mf")
        m = quality.shape[1]
        self.net = code.MFModel(128, m, x.shape[1], 1, True)
        self.strong, self.weak = int(quality.mean(axis=0).argmax()), 0 if quality.mean(axis=0).argmax() else 1
        inputs, grades = torch.from_numpy(x), torch.from_numpy(quality)
        draw = torch.Generator().manual_seed(0)

        def scores(rows):
            vectors = torch.nn.functional.normalize(self.net.P.weight, dim=1) * self.net.classifier[0].weight
            return self.net.text_proj(inputs[rows]) @ vectors.T

        def loss(step):
            rows = torch.randint(0, len(inputs), (256,), generator=draw)
            a, b = torch.randint(0, m, (2, 256), generator=draw)
            gap = grades[rows, a] - grades[rows, b]
            logits = scores(rows).gather(1, torch.stack([a, b], dim=1))
            return torch.nn.functional.softplus(-gap.sign() * (logits[:, 0] - logits[:, 1]))[gap != 0].mean()

        train(self.net.parameters(), 10 * m * len(x) // 256, loss)
        self.net.eval()

    def single(self, text):
        return self.strong if self.net.pred_win_rate(self.strong, self.weak, text) >= 0.5 else self.weak

    def batch(self, texts):
        return [self.single(text) for text in texts]

    @torch.no_grad()
    def kernel(self, asked):
        pair = self.net.P(torch.tensor([self.strong, self.weak]))
        vectors = torch.nn.functional.normalize(pair, dim=1) * self.net.classifier[0].weight
        logits = self.net.text_proj(torch.from_numpy(asked)) @ vectors.T
        return numpy.where(torch.sigmoid(logits[:, 0] - logits[:, 1]) >= 0.5, self.strong, self.weak)
