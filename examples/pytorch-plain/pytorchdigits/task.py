"""The model, the data of one site, and how to train and test."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    """A small convolutional network for images of 8 by 8 pixels."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(8 * 4 * 4, 10)

    def forward(self, x):
        """Logits of ten digits."""
        x = self.pool(torch.relu(self.norm(self.conv(x))))
        return self.fc(torch.flatten(x, 1))


def load_data(partition_id: int, num_partitions: int):
    """Training and test images of one site: every `num_partitions`-th of the digits."""
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images / 16.0, dtype=torch.float32).reshape(-1, 1, 8, 8)
    dataset = TensorDataset(
        images[partition_id::num_partitions], torch.tensor(labels[partition_id::num_partitions])
    )
    split = len(dataset) * 4 // 5
    train = torch.utils.data.Subset(dataset, range(split))
    test = torch.utils.data.Subset(dataset, range(split, len(dataset)))
    return DataLoader(train, batch_size=16, shuffle=True), DataLoader(test, batch_size=64)


def train(net, loader, epochs: int, lr: float) -> float:
    """Train in place; returns the mean loss of a batch."""
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    net.train()
    total = 0.0
    for _ in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
    return total / (epochs * len(loader))


def test(net, loader) -> tuple[float, float]:
    """Mean loss of a batch, and accuracy."""
    net.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for images, labels in loader:
            outputs = net(images)
            loss += nn.functional.cross_entropy(outputs, labels).item()
            correct += (outputs.argmax(1) == labels).sum().item()
    return loss / len(loader), correct / len(loader.dataset)
