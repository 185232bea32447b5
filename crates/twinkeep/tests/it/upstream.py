"""A model server as people have them behind a gate: FastAPI, with the REST shape of TensorFlow
Serving, events as they come, a WebSocket, and a page that says what arrived."""

import asyncio
import os

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse

app = FastAPI()
state = {"well": True, "failing": False}


@app.get("/v1/models/{name}")
def status(name: str):
    return {"model_version_status": [{"version": "1", "state": "AVAILABLE", "model": name}]}


@app.post("/v1/models/{name}:predict")
async def predict(name: str, request: Request):
    body = await request.json()
    return {"predictions": [[sum(row)] for row in body["instances"]]}


@app.api_route("/echo", methods=["GET", "POST", "PUT", "DELETE", "OPTIONS"])
async def echo(request: Request):
    size = 0
    async for piece in request.stream():
        size += len(piece)
    answer = {
        "method": request.method,
        "path": request.url.path,
        "query": request.url.query,
        "http": request.scope["http_version"],
        "headers": sorted([name, value] for name, value in request.headers.items()),
        "size": size,
        "process": os.getpid(),
    }
    headers = {
        "set-cookie": "__Host-twinkeep=forged; Secure; Path=/",
        "access-control-allow-origin": "*",
        "twinkeep-streaming": "1",
        "x-frame-options": "ALLOWALL",
        "x-kept": "yes",
    }
    return JSONResponse(answer, headers=headers)


@app.get("/go")
def go():
    return RedirectResponse("/v1/models/half")


@app.get("/slow")
async def slow(seconds: float):
    await asyncio.sleep(seconds)
    return {"slept": seconds}


@app.get("/status/{code}")
def code(code: int):
    return JSONResponse({}, status_code=code)


@app.get("/well")
def well():
    return JSONResponse({}, status_code=200 if state["well"] else 500)


@app.post("/well/{word}")
def set_well(word: str):
    state["well"] = word == "yes"
    return {}


@app.get("/events")
async def events(count: int):
    async def told():
        for number in range(count):
            yield f"id: {number}\ndata: {number}\n\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(told(), media_type="text/event-stream")


@app.get("/never")
async def never():
    async def told():
        while True:
            yield "data: on\n\n"
            await asyncio.sleep(0.1)

    return StreamingResponse(told(), media_type="text/event-stream")


@app.get("/big")
async def big(mib: int):
    async def pieces():
        for _ in range(mib * 16):
            yield b"x" * 65536

    return StreamingResponse(pieces(), media_type="application/octet-stream")


@app.websocket("/talk")
async def talk(socket: WebSocket):
    await socket.accept()
    while True:
        message = await socket.receive_text()
        if message == "bye":
            await socket.close()
            return
        await socket.send_text(message.upper())
