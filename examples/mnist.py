"""Train a convolutional network on handwritten digits: a script for PyTorch whose imports were changed.

    python examples/mnist.py                    MNIST, downloaded at the first run; 99 in 100 right after 3 epochs
    python examples/mnist.py --data digits      the small images that come with the package; 97 in 100 in a few seconds
    python examples/mnist.py --dry-run          one batch, to see that it works

For PyTorch, write `torch` for `tinytorch` in the imports, and `torchvision` for the data and the transforms.
"""

from __future__ import annotations

import argparse

import tinytorch as torch
import tinytorch.nn as nn
import tinytorch.nn.functional as F  # noqa: N812
import tinytorch.optim as optim
from tinytorch import datasets, transforms
from tinytorch.optim.lr_scheduler import StepLR
from tinytorch.utils.data import DataLoader, TensorDataset, random_split


class Net(nn.Module):
    """Two convolutions and two linear layers. Shapes: ``(N, 1, side, side) -> (N, 10)``, log-probabilities."""

    def __init__(self, side: int = 28) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(64 * ((side - 4) // 2) ** 2, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


def mnist(root: str | None):
    """Return MNIST for training and for testing."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train = datasets.MNIST(root, train=True, download=True, transform=transform)
    return train, datasets.MNIST(root, train=False, transform=transform)


def digits():
    """Return the digits that come with the package: 1,437 for training and 360 for testing."""
    images, labels = datasets.digits()
    images = (images.unsqueeze(1) - 0.3) / 0.38
    return random_split(TensorDataset(images, labels), [1437, 360])


def train(args, model, device, loader, optimizer, epoch):
    """Go through the training data once."""
    model.train()
    for batch, (data, target) in enumerate(loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        if batch % args.log_interval == 0:
            seen = 100 * batch / len(loader)
            print(f"epoch {epoch}  {seen:3.0f} %  loss {loss.item():.4f}", flush=True)
        if args.dry_run:
            break


def test(model, device, loader):
    """Print the mean loss and the share of right answers on data that were not trained on; return the share."""
    model.eval()
    loss, correct, count = 0.0, 0, len(loader.dataset)
    with torch.no_grad():
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            prediction = output.argmax(dim=1, keepdim=True)
            correct += prediction.eq(target.view_as(prediction)).sum().item()
    print(f"         test   loss {loss / count:.4f}  {correct} of {count} right ({100 * correct / count:.1f} %)")
    return correct / count


def main(argv=None):
    """Train and test, epoch by epoch; return the share of right answers at the end."""
    parser = argparse.ArgumentParser(description="Train a convolutional network on handwritten digits.")
    parser.add_argument("--data", choices=["mnist", "digits"], default="mnist", help="what to train on (mnist)")
    parser.add_argument("--root", help="where MNIST is, or is downloaded to (the user's cache)")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="images in a training step (64)")
    parser.add_argument("--test-batch-size", type=int, default=1000, metavar="N", help="images in a test step (1000)")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes through the data (3; digits: 12)")
    parser.add_argument("--lr", type=float, default=1.0, metavar="LR", help="learning rate of Adadelta (1.0)")
    parser.add_argument("--gamma", type=float, metavar="M", help="factor of the rate after an epoch (0.7; digits: 0.9)")
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="processes that load data (0)")
    parser.add_argument("--no-cuda", action="store_true", help="compute on the processor")
    parser.add_argument("--dry-run", action="store_true", help="take one step only")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of all that is drawn (1)")
    parser.add_argument("--log-interval", type=int, default=100, metavar="N", help="batches between two lines (100)")
    parser.add_argument("--save-model", metavar="FILE", help="where to write the trained weights")
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() and not args.no_cuda else "cpu")
    train_data, test_data = digits() if args.data == "digits" else mnist(args.root)
    train_loader = DataLoader(train_data, batch_size=args.batch_size, shuffle=True, num_workers=args.workers)
    test_loader = DataLoader(test_data, batch_size=args.test_batch_size, num_workers=args.workers)

    model = Net(side=train_data[0][0].shape[-1]).to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma or (0.9 if args.data == "digits" else 0.7))
    epochs = args.epochs or (12 if args.data == "digits" else 3)
    right = 0.0
    for epoch in range(1, 2 if args.dry_run else epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        right = test(model, device, test_loader)
        scheduler.step()
    if args.save_model:
        torch.save(model.state_dict(), args.save_model)
        print(f"wrote {args.save_model}")
    return right


if __name__ == "__main__":
    main()
