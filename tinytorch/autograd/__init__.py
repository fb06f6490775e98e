"""Differentiation beyond the lesson: gradients of gradients, functions of functions, and what goes wrong where."""

from __future__ import annotations

from tinytorch.autograd import _drawing as _drawing
from tinytorch.autograd import functional as functional
from tinytorch.autograd._explain import explain_grad as explain_grad
from tinytorch.autograd._explain import memory as memory
from tinytorch.autograd._function import Function as Function
from tinytorch.autograd._grad import backward as backward
from tinytorch.autograd._grad import grad as grad
from tinytorch.autograd._gradcheck import GradcheckError as GradcheckError
from tinytorch.autograd._gradcheck import gradcheck as gradcheck
from tinytorch.autograd._gradcheck import gradgradcheck as gradgradcheck
from tinytorch.autograd._modes import enable_grad as enable_grad
from tinytorch.autograd._modes import inference_mode as inference_mode
from tinytorch.autograd._modes import set_grad_enabled as set_grad_enabled
from tinytorch.autograd._trace import AnomalyError as AnomalyError
from tinytorch.autograd._trace import detect_anomaly as detect_anomaly
from tinytorch.autograd._trace import record_lines as record_lines
from tinytorch.core.autograd import is_grad_enabled as is_grad_enabled
from tinytorch.core.autograd import no_grad as no_grad
